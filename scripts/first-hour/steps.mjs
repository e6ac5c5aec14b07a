// The steps of the hour, in their order. Each is what README.md, docs/cli.md and docs/changing-a-topology.md say, typed by
// somebody who has read nothing else.
import { join } from 'node:path';
import { checkOutputs, checkTotals } from './account.mjs';
import { edit } from './projects.mjs';
import { command } from './terminal.mjs';
import { wrongInputs } from './wrong-inputs.mjs';

/** Looks again and again; each look is a command, which takes its time. */
const LOOKS = 60;

const must = (holds, what, result) => {
  if (!holds) throw new Error(`${what}\n${typeof result === 'string' ? result : JSON.stringify(result, null, 2)}`);
};

const run = ({ terminals, project }, more = []) => terminals.start(['run', 'FILE', ...project.runOptions, ...more]);

/** The rows of a store, once everything that was sent is in it. */
async function rowsOf({ terminals, account, project }, store = project.store) {
  let seen = '';
  for (let look = 0; look < LOOKS; look++) {
    const parts = await terminals.lines(['state', 'list', 'FILE', '--store', store, '--format', 'json']);
    const read = parts.reduce((sum, { sources }) => sum + (sources[project.topic] ?? 0), 0);
    if (read === account.sent) return terminals.lines(['state', 'dump', 'FILE', '--store', store]);
    seen = `${read} of ${account.sent} records are in the store ${store}: ${JSON.stringify(parts)}`;
  }
  const { stdout } = await terminals.millrace(['progress', 'FILE', '--format', 'json']);
  throw new Error(`after ${LOOKS} looks ${seen}\n${stdout}`);
}

async function totalsAreRight(hour, what) {
  checkTotals(what, await rowsOf(hour), hour.account.totals);
}

async function produce({ terminals, account, project }, count) {
  const { stderr } = await terminals.millrace(['produce', project.topic, account.more(count), '--key', project.key]);
  must(
    stderr.includes(`sent ${count.toLocaleString('en-US')} records to ${project.topic}`),
    'says what it sent',
    stderr,
  );
}

const stop = async ({ terminals }, ...runs) => {
  await terminals.millrace(['stop', 'FILE']);
  for (const one of runs) await one.ended();
};

export const STEPS = {
  'is made and installed': (hour) => hour.project.make(hour.root, hour.source),

  'its test passes': ({ project, root }) => command(project.test, { cwd: root }),

  'run says where it reads and writes, and waits for records': async (hour) => {
    hour.run = run(hour);
    await hour.run.running();
    const [first] = hour.run.log;
    must(
      first.broker === `embedded:${join(hour.root, '.millrace', 'broker')}` &&
        first.state === join(hour.root, '.millrace', 'state') &&
        first.app === hour.project.app,
      'the first line has the application, the broker and the state',
      first,
    );
  },

  'is fed from a second terminal, and read from a third': async (hour) => {
    const { terminals, project, account } = hour;
    await produce(hour, 500);
    const outputs = [...account.totals.values()].reduce((sum, total) => sum + total, 0);
    const read = ['consume', project.output, '--topology', 'FILE', '--max', String(outputs)];
    checkOutputs(await terminals.lines(read), account.totals);
  },

  'is looked into while it runs': async (hour) => {
    const { terminals, project, account } = hour;
    await totalsAreRight(hour, 'the rows of the running application');
    const [key] = project.keys;
    const [row] = await terminals.lines(['state', 'get', 'FILE', '--store', project.store, '--key', key]);
    must(row.value === account.totals.get(key), `state get of ${key}`, row);
    const { stdout: progress } = await terminals.millrace(['progress', 'FILE']);
    must(progress.startsWith(`process ${hour.run.pid}: running, 2 tasks, lag 0 records; 500 in`), 'progress', progress);
    const { stdout: described } = await terminals.millrace(['describe', 'FILE']);
    must(described.startsWith(`topology ${project.app}\n`), 'describe', described);
  },

  'its past is looked at while it runs, and after': async (hour) => {
    const second = await lookBack(hour);
    await verify(hour);
    await stop(hour, hour.run);
    await stateAsOf(hour, second);
    await verify(hour);
  },

  'goes on with a changed topology; a new store is filled by rebuild': async (hour) => {
    const { terminals, project, account, root } = hour;
    edit(join(root, project.topology), project.changes.more);
    account.leavesOut = true;
    hour.run = run(hour);
    await hour.run.running();
    const told = hour.run.log.some(({ msg }) => msg.includes(`rebuild FILE --store all --from sources`));
    must(told, 'the log says how the new store is filled', hour.run.seen);
    await produce(hour, 200);
    await totalsAreRight(hour, 'the rows after the change');
    await stop(hour, hour.run);
    await terminals.millrace(['rebuild', 'FILE', '--store', 'all', '--from', 'sources', '--yes']);
    checkTotals('the rebuilt rows', await terminals.lines(['state', 'dump', 'FILE', '--store', 'all']), account.all);
  },

  'refuses a store that another serde has written, and runs with the old one': async (hour) => {
    const { terminals, project, root } = hour;
    const undo = edit(join(root, project.topology), project.changes.refused);
    const { stderr } = await terminals.millrace(['run', 'FILE', '--until-idle'], { code: 3 });
    must(/^STATE_MISMATCH: .*Choose another store name.*rebuild FILE/m.test(stderr), 'says what to do', stderr);
    undo();
    hour.run = run(hour);
    await hour.run.running();
    await produce(hour, 100);
    await totalsAreRight(hour, 'the rows after the refusal');
    await stop(hour, hour.run);
  },

  'is killed in the middle of records: each counts once': async (hour) => {
    const { terminals, project, account } = hour;
    // This process serves the broker, so that what is killed is the application alone.
    const reader = terminals.start(['consume', project.output, '--topology', 'FILE']);
    await reader.until('the first output', ({ stdout }) => stdout.includes('\n'));
    hour.run = run(hour);
    await hour.run.running();
    const before = linesOf(reader).length;
    const producing = produce(hour, 20_000);
    producing.catch(() => undefined);
    await reader.until('new outputs', (seen) => linesOf(seen).length > before);
    await hour.run.kill();
    await producing;
    hour.run = run(hour);
    await hour.run.running();
    await totalsAreRight(hour, 'the rows after kill -9');
    const outputs = [...account.totals.values()].reduce((sum, total) => sum + total, 0);
    await reader.until(`${outputs} outputs`, (seen) => linesOf(seen).length >= outputs);
    await reader.terminate();
    checkOutputs(linesOf(reader).map(JSON.parse), account.totals);
    await stop(hour, hour.run);
  },

  'shares its tasks with a second process, which goes on when the one with the broker is killed': async (hour) => {
    const { terminals } = hour;
    const first = run(hour);
    await first.running();
    const second = run(hour);
    await second.running();
    await tasksOf(hour, [first, second], [1, 1]);
    await produce(hour, 300);
    await totalsAreRight(hour, 'the rows in two processes');
    await first.kill();
    await tasksOf(hour, [second], [2]);
    await produce(hour, 300);
    await totalsAreRight(hour, 'the rows after the process with the broker was killed');
    await stop(hour, second);
    checkTotals(
      'the rows on disk',
      await terminals.lines(['state', 'dump', 'FILE', '--store', 'all']),
      hour.account.all,
    );
    await terminals.millrace(['verify', 'FILE']);
  },

  'answers wrong inputs with a line and an exit code': wrongInputs,
};

const linesOf = ({ stdout }) =>
  stdout
    .slice(0, stdout.lastIndexOf('\n') + 1)
    .split('\n')
    .filter(Boolean);

/** Waits until the processes have so many tasks. */
async function tasksOf({ terminals }, processes, expected) {
  let seen = [];
  for (let look = 0; look < LOOKS; look++) {
    seen = await terminals.lines(['progress', 'FILE', '--format', 'json']);
    const tasks = processes.map(({ pid }) => seen.find((each) => each.pid === pid)?.tasks);
    if (tasks.every((count, i) => count === expected[i])) return;
  }
  must(false, `after ${LOOKS} looks, expected ${expected.join(' and ')} tasks`, seen);
}

/** What has changed the row of the first key; returns where the second of these records is. */
async function lookBack(hour) {
  const { terminals, project, account } = hour;
  const [key] = project.keys;
  const of = ['--store', project.store, '--key', key, '--format', 'json'];
  const changes = await terminals.lines(['history', 'FILE', ...of]);
  must(changes.length === account.totals.get(key), `${account.totals.get(key)} changes of ${key}`, changes.at(-1));
  const { topic, partition, offset } = changes[1].event;
  const { stdout: way } = await terminals.millrace(['trace', 'FILE', '--at', `${topic}[${partition}]@${offset}`]);
  must(
    way.includes(`write    ${project.store}: ${JSON.stringify(key)} = 2`),
    'trace has the row that was written',
    way,
  );
  await stateAsOf(hour, changes[1].event);
  return changes[1].event;
}

/** Just before its second record, the row of the first key is 1. */
async function stateAsOf({ terminals, project }, { topic, partition, offset }) {
  const asOf = `offset:${topic}:${partition}=${offset}`;
  const of = ['--store', project.store, '--key', project.keys[0], '--as-of', asOf];
  const [row] = await terminals.lines(['state', 'get', 'FILE', ...of]);
  must(row.value === 1, `the row as of ${asOf}`, row);
}

async function verify({ terminals, account }) {
  const { stdout } = await terminals.millrace(['verify', 'FILE']);
  must(stdout.startsWith(`the same each time: ${account.sent.toLocaleString('en-US')} records`), 'verify', stdout);
}
