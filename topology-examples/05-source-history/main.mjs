// Runs the topology beside this file on the embedded broker, over the history of src/ of ReactiveX/rxjs, and compares what
// comes out with what git says. Ends with exit code 1 if they differ.
//
//   node topology-examples/05-source-history/main.mjs [DIRECTORY]     default .millrace; source-history in it is removed first
import { readFileSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { openBroker, send, serdes, start } from 'millrace';
import { disorder, seededRandom } from 'millrace/testing';
import { register } from 'tsx/esm/api';

register();
const { default: topology, EVERYTHING } = await import('./topology.ts');
const { inArrivalOrder } = await import('./arrival-order.ts');

const PARTITIONS = 4;
/** Change it: other events are delivered twice, and the result is the same. */
const SEED = 1;

const read = (file) => readFileSync(new URL(`data/${file}`, import.meta.url), 'utf8');
const changes = read('rxjs-src-changes.jsonl')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line));
const git = JSON.parse(read('rxjs-src-truth.json')).at(-1);
const delivered = [...disorder(changes, { duplicate: 0.05, random: seededRandom(SEED) })].map(({ item }) => item);

const directory = resolve(process.argv[2] ?? '.millrace', 'source-history');
rmSync(directory, { recursive: true, force: true });
const began = performance.now();
const broker = await openBroker(`embedded:${join(directory, 'broker')}`);
try {
  await deliver();
  const streams = await start(topology, { broker, stateDirectory: join(directory, 'state'), createTopics: PARTITIONS });
  await streams.untilIdle();
  const seconds = (performance.now() - began) / 1000;
  const total = (await streams.store('totals').get(EVERYTHING)) ?? { files: 0, bytes: 0 };
  const { nodes } = streams.progress().metrics;
  await streams.stop();
  report({ seconds, total, nodes });
} finally {
  await broker.close();
}

/** Writes the changes to the topic, in the order in which the service would hear of them. */
async function deliver() {
  // Event times lie years back: the topic must not expire them.
  await broker.admin.createTopics([
    { name: 'source-changes', partitions: PARTITIONS, config: { 'retention.ms': '-1' } },
  ]);
  const records = delivered.map((change) => ({ key: change.file, value: change, timestamp: change.authoredAt }));
  await send(broker, 'source-changes', { key: serdes.string, value: serdes.json() }, records);
}

function report({ seconds, total, nodes }) {
  const agrees = ({ files, bytes }) => files === git.files && bytes === git.bytes;
  const number = (value) => value.toLocaleString('en-US').padStart(10);
  const line = (name, ...cells) => console.log(`  ${name.padEnd(36)}${cells.join('  ')}`.trimEnd());
  const sizeLine = (name, size) => line(name, number(size.files), number(size.bytes), agrees(size) ? '✓' : '✗');

  console.log('\nThe history of src/ of ReactiveX/rxjs, told out of order, 5 % of it twice\n');
  line('events in', number(delivered.length));
  line('duplicates dropped', number(nodes['dedupe seen-changes']?.duplicate ?? 0));
  line('events put back in order', number(nodes['reorderByVersion change-order']?.['out-of-order'] ?? 0));
  console.log();
  line('', 'files'.padStart(10), 'bytes'.padStart(10));
  sizeLine('in arrival order, without duplicates', inArrivalOrder(changes));
  sizeLine('in arrival order, as delivered', inArrivalOrder(delivered));
  sizeLine('with millrace', total);
  line('git itself', number(git.files), number(git.bytes));
  console.log();
  const rate = Math.round(delivered.length / seconds).toLocaleString('en-US');
  line(`${seconds.toFixed(1)} s from an empty directory: ${rate} events/s, exactly once`);
  console.log(`\nmillrace and git ${agrees(total) ? 'agree' : 'do NOT agree'}.\n`);
  process.exitCode = agrees(total) ? 0 : 1;
}
