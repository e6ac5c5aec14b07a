// What a developer does in terminals: commands that end, and programs that run on. Waits are for what is seen, never for a time.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { execute } from '../docs/project.mjs';
import { NPM_ENV } from '../package/tarball.mjs';

/** No wait of a healthy run comes near this, however busy the machine is. */
const LIMIT_MS = 90_000;
const started = new Set();

/** What is seen of a command, for messages. */
const seen = (command, { code, stdout, stderr }) =>
  `$ ${command}\nexit code ${code ?? '(runs)'}\n--- stdout\n${lastOf(stdout)}--- stderr\n${lastOf(stderr)}`;
const lastOf = (text) => (text.length > 4_000 ? `…${text.slice(-4_000)}` : text);

/** Runs any command to its end; fails unless its exit code is that one. */
export async function command(line, { cwd, code = 0, env = {} }) {
  const result = await execute('bash', ['-eu', '-o', 'pipefail', '-c', line], {
    cwd,
    limitMs: LIMIT_MS,
    env: { ...NPM_ENV, ...env },
  });
  if (result.timedOut) throw new Error(`did not end within ${LIMIT_MS / 1_000} s: ${seen(line, result)}`);
  if (result.code !== code) throw new Error(`expected the exit code ${code}: ${seen(line, result)}`);
  return result;
}

/** The directories from which the same project is used, and how its topology is called there: each command takes the next one. */
export class Terminals {
  #turn = 0;

  constructor({ root, places, env = {} }) {
    this.program = join(root, 'node_modules', '.bin', 'millrace');
    this.places = places;
    this.env = env;
  }

  /** Replaces FILE, and says where the command is typed. */
  #line(args) {
    const { cwd, file } = this.places[this.#turn++ % this.places.length];
    return { cwd, args: args.map((arg) => (arg === 'FILE' ? file : arg)) };
  }

  /** Runs millrace to its end. */
  async millrace(args, { code = 0, env = {} } = {}) {
    const line = this.#line(args);
    const result = await execute(this.program, line.args, {
      cwd: line.cwd,
      limitMs: LIMIT_MS,
      env: { ...this.env, ...env },
    });
    const text = `millrace ${line.args.join(' ')}`;
    if (result.timedOut) throw new Error(`did not end within ${LIMIT_MS / 1_000} s: ${seen(text, result)}`);
    if (result.code !== code) throw new Error(`expected the exit code ${code}: ${seen(text, result)}`);
    return result;
  }

  /** Its output as JSON lines. */
  async lines(args, options) {
    const { stdout } = await this.millrace(args, options);
    return stdout.split('\n').filter(Boolean).map(JSON.parse);
  }

  /** Starts millrace, which runs on. */
  start(args) {
    const line = this.#line(args);
    return new Started(`millrace ${line.args.join(' ')}`, this.program, line.args, {
      cwd: line.cwd,
      env: { ...process.env, NO_COLOR: '1', ...this.env },
    });
  }
}

/** A program in a terminal of its own. */
class Started {
  stdout = '';
  stderr = '';
  code;
  #look = new Set();

  constructor(text, program, args, options) {
    this.text = text;
    this.child = spawn(program, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
    started.add(this.child);
    for (const name of ['stdout', 'stderr'])
      this.child[name].setEncoding('utf8').on('data', (chunk) => {
        this[name] += chunk;
        this.#changed();
      });
    this.child.on('close', (code, signal) => {
      started.delete(this.child);
      this.code = code ?? signal;
      this.#changed();
    });
  }

  get pid() {
    return this.child.pid;
  }

  get seen() {
    return seen(this.text, this);
  }

  /** The lines of the log. */
  get log() {
    return this.stderr
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map(JSON.parse);
  }

  /** Waits for what `find` returns, unless that is undefined or false. */
  until(what, find) {
    return new Promise((resolve, reject) => {
      const end = (settle, value) => {
        clearTimeout(timer);
        this.#look.delete(look);
        settle(value);
      };
      const fail = (how) => end(reject, new Error(`${how} before it was seen: ${what}\n${this.seen}`));
      const look = () => {
        const found = find(this);
        if (found !== undefined && found !== false) end(resolve, found);
        else if (this.code !== undefined) fail('it ended');
      };
      const timer = setTimeout(() => fail(`${LIMIT_MS / 1_000} s passed`), LIMIT_MS);
      this.#look.add(look);
      look();
    });
  }

  running() {
    return this.until('the log line "running"', ({ log }) => log.find(({ msg }) => msg === 'running'));
  }

  /** Waits for its end; fails unless its exit code, or the signal that ended it, is that one. */
  async ended(code = 0) {
    await this.until('its end', (one) => one.code !== undefined);
    if (this.code !== code) throw new Error(`expected the exit code ${code}: ${this.seen}`);
  }

  /** As a crash of the machine ends it. */
  async kill() {
    this.child.kill('SIGKILL');
    await this.ended('SIGKILL');
  }

  async terminate() {
    this.child.kill('SIGTERM');
    await this.ended();
  }

  #changed() {
    for (const look of [...this.#look]) look();
  }
}

/** Ends what a failed step has left behind. */
export function endAll() {
  for (const child of started) child.kill('SIGKILL');
}
