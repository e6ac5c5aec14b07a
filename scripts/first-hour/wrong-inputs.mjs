// What is typed wrong in a first hour, and what answers it.
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Fails unless standard error is the error alone: one line, or one and the list that belongs to it. */
async function answers({ terminals }, args, { code, error, env }) {
  const { stdout, stderr } = await terminals.millrace(args, { code, env });
  const [head, ...list] = stderr.trimEnd().split('\n');
  if (!error.test(head + list.join('')) || !list.every((line) => line.startsWith('  - ')) || stdout !== '')
    throw new Error(`millrace ${args.join(' ')}: expected ${error} in one line, saw\n${stdout}${stderr}`);
}

export async function wrongInputs(hour) {
  const { project, root } = hour;
  const store = ['--store', `${project.store}s`];
  for (const [args, code, error, env] of [
    [['state', 'get', 'FILE', ...store, '--key', 'x'], 2, new RegExp(`^STORE_UNKNOWN: .*saw .*${project.store}`)],
    [['run', 'nowhere.ts'], 1, /^TOPOLOGY_NOT_FOUND: .*nowhere\.ts.*no such file/],
    [['run', 'FILE'], 2, /^USAGE: cannot read MILLRACE_CACHE: .*saw "12X"/, { MILLRACE_CACHE: '12X' }],
    [['run', 'FILE', '--cahce', '1MB'], 2, /^USAGE: unknown option '--cahce'. Did you mean --cache\?/],
    [['stop', 'FILE'], 3, /^STATE_MISMATCH: there is no running process/],
    [['consume', `${project.topic}s`], 3, new RegExp(`^TOPIC_UNKNOWN: .*saw the topics .*${project.topic}`)],
    [['trace', 'FILE', '--at', `${project.topic}:0:999999`], 1, /^OFFSET_OUT_OF_RANGE: .*999999/],
  ])
    await answers(hour, args, { code, error, env });
  const config = join(root, 'millrace.config.json');
  const before = existsSync(config) ? readFileSync(config, 'utf8') : undefined;
  writeFileSync(config, JSON.stringify({ ...project.config, cahce: '1MB' }));
  const error = /^CONFIG_INVALID: .*millrace\.config\.json.*there is no field cahce: did you mean cache\?/;
  await answers(hour, ['run', 'FILE'], { code: 2, error });
  if (before === undefined) rmSync(config);
  else writeFileSync(config, before);
}
