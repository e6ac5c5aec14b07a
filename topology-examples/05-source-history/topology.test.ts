import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describeTopology, serdes } from 'millrace';
import { type InputRecord, TestDriver } from 'millrace/testing';
import { projectFile, temporaryDirectory } from '../../test/support/project.js';
import { inArrivalOrder } from './arrival-order.js';
import topology, { EVERYTHING, type Size, type SourceChange } from './topology.js';

interface Delivered extends SourceChange {
  readonly sequence: number;
  readonly authoredAt: number;
}

/** What git says of the tree after the first `eventsApplied` changes. */
interface Truth extends Size {
  readonly commit: string;
  readonly eventsApplied: number;
}

const read = (file: string): string => readFileSync(projectFile(`topology-examples/05-source-history/${file}`), 'utf8');
const serdesOfChanges = { key: serdes.string, value: serdes.json<SourceChange>() };
const asRecord = (change: Delivered): InputRecord<string, SourceChange> => ({
  key: change.file,
  value: change,
  timestamp: change.authoredAt,
});

describe('the source-history example', () => {
  let changes: readonly Delivered[];
  let truth: readonly Truth[];
  let end: Size;

  before(() => {
    changes = read('data/rxjs-src-changes.jsonl')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    truth = JSON.parse(read('data/rxjs-src-truth.json'));
    const { files, bytes } = truth.at(-1) as Truth;
    end = { files, bytes };
  });

  it('is described as in description.txt', () => {
    assert.equal(describeTopology(topology.graph, 'text'), read('description.txt'));
  });

  it('needs millrace: in order of arrival the changes add up to something else', () => {
    assert.deepEqual(inArrivalOrder(changes), { files: 235, bytes: 747_763 });
    assert.deepEqual(end, { files: 231, bytes: 724_849 });
  });

  const deliveries = [
    { partitions: 1, duplicate: 0, shuffle: 0, seed: 1 },
    { partitions: 1, duplicate: 0.05, shuffle: 0, seed: 1 },
    { partitions: 4, duplicate: 0.05, shuffle: 0, seed: 2 },
    { partitions: 1, duplicate: 0.05, shuffle: 500, seed: 3 },
    { partitions: 4, duplicate: 0.05, shuffle: 500, seed: 4 },
    { partitions: 4, duplicate: 0.05, shuffle: 5000, seed: 5 },
  ];

  for (const { partitions, ...faults } of deliveries) {
    const fault = `${faults.duplicate * 100} % delivered twice, shuffled over ${faults.shuffle} places, seed ${faults.seed}`;
    it(`ends at git's figures with ${partitions} partition(s), ${fault}`, async () => {
      const driver = await TestDriver.create(topology, { partitions });
      const totals = driver.output('totals', { key: serdes.string, value: serdes.json<Size>() });
      const directories = driver.output('directories', { key: serdes.string, value: serdes.json<Size>() });

      await driver.input('source-changes', serdesOfChanges).sendAll(changes.map(asRecord), faults);

      assert.deepEqual(await driver.store('totals').get(EVERYTHING), end);
      assert.deepEqual((await totals.values()).at(-1), end, 'the topic says what the store says');
      assert.equal((await driver.store('files').entries()).length, end.files);
      const rows = new Map((await directories.read()).map(({ key, value }) => [key, value]));
      const sizes = [...rows.values()].filter((size) => size !== null);
      assert.deepEqual(sum(sizes), end, 'the directories add up to the total');
      const { nodes } = driver.metrics;
      const dropped = nodes['dedupe seen-changes']?.duplicate ?? 0;
      const expected = changes.length * faults.duplicate;
      assert.ok(Math.abs(dropped - expected) <= expected / 5, `${dropped} duplicates dropped, of about ${expected}`);
      assert.equal(nodes['reorderByVersion change-order']?.stale, undefined, 'no duplicate got past dedupe');
      await driver.close();
    });
  }

  it('agrees with git at every commit that git was asked about', async () => {
    const landed = [...changes].sort((a, b) => a.sequence - b.sequence);
    const driver = await TestDriver.create(topology);
    const input = driver.input('source-changes', serdesOfChanges);
    let from = 0;
    for (const { commit, eventsApplied, files, bytes } of truth) {
      await input.sendAll(landed.slice(from, eventsApplied).map(asRecord));
      from = eventsApplied;
      assert.deepEqual(await driver.store('totals').get(EVERYTHING), { files, bytes }, `after commit ${commit}`);
    }
    assert.equal(truth.length, 21);
    await driver.close();
  });

  it('runs as a program, on the embedded broker, and agrees with git there too', () => {
    const main = projectFile('topology-examples/05-source-history/main.mjs');

    const { status, stdout, stderr } = spawnSync(process.execPath, [main, temporaryDirectory()], { encoding: 'utf8' });

    assert.equal(status, 0, stderr);
    assert.match(stdout, /without duplicates +235 +747,763 +✗/);
    assert.match(stdout, /with millrace +231 +724,849 +✓/);
    assert.match(stdout, /git itself +231 +724,849/);
  });
});

const sum = (sizes: readonly Size[]): Size =>
  sizes.reduce((all, { files, bytes }) => ({ files: all.files + files, bytes: all.bytes + bytes }), {
    files: 0,
    bytes: 0,
  });
