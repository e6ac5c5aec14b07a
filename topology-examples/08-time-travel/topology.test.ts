import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Broker, describeTopology, openBroker, send, serdes } from 'millrace';
import { bisect, history, parseMoment, stateAsOf } from 'millrace/replay';
import { projectFile, temporaryDirectory } from '../../test/support/project.js';
import topology, { type Size, type SourceChange } from './topology.js';

interface Landed extends SourceChange {
  readonly committedAt: number;
}

/** What git says of the tree at a commit. */
interface Truth extends Size {
  readonly commit: string;
  readonly committedAt: number;
  readonly eventsApplied: number;
}

const read = (file: string): string => readFileSync(projectFile(`topology-examples/${file}`), 'utf8');
const directoryOf = (file: string): string => file.slice(0, file.lastIndexOf('/'));

/** Adds changes up one by one: what there was after each, of all and of a directory. */
class Tree {
  readonly #files = new Map<string, number>();

  apply({ file, change, bytes }: Landed): void {
    if (change === 'deleted') this.#files.delete(file);
    else this.#files.set(file, bytes);
  }

  size(directory?: string): Size {
    const files = [...this.#files].filter(([file]) => directory === undefined || directoryOf(file) === directory);
    return { files: files.length, bytes: files.reduce((sum, [, bytes]) => sum + bytes, 0) };
  }
}

describe('the time-travel example', () => {
  let landed: readonly Landed[];
  let truth: readonly Truth[];
  let broker: Broker;

  const open = async (partitions: number): Promise<void> => {
    broker = await openBroker(`embedded:${join(temporaryDirectory(), 'broker')}`);
    await broker.admin.createTopics([{ name: 'source-changes', partitions, config: { 'retention.ms': '-1' } }]);
    const json = { key: serdes.string, value: serdes.json<Landed>() };
    const records = landed.map((change) => ({ key: change.file, value: change, timestamp: change.committedAt }));
    await send(broker, 'source-changes', json, records);
  };

  before(() => {
    landed = read('05-source-history/data/rxjs-src-changes.jsonl')
      .trim()
      .split('\n')
      .map((line): Landed => JSON.parse(line))
      .sort((a, b) => a.sequence - b.sequence);
    truth = JSON.parse(read('05-source-history/data/rxjs-src-truth.json'));
  });

  afterEach(() => broker?.close());

  it('is described as in description.txt', () => {
    assert.equal(describeTopology(topology.graph, 'text'), read('08-time-travel/description.txt'));
  });

  it('has, after every single event, what the events up to it add up to; and at every commit what git says', async () => {
    await open(1);
    const tree = new Tree();
    const commits = new Map(truth.map((each) => [each.eventsApplied, each]));
    let events = 0;
    let [files, bytes] = [0, 0];
    for await (const { value, event } of history(topology, { broker, inMemory: true, store: 'totals', key: 'all' })) {
      // What did not change the totals is no change.
      for (; events <= event.offset; events++) tree.apply(landed[events] as Landed);
      ({ files, bytes } = (value as Size | null) ?? { files: 0, bytes: 0 });
      const git = commits.get(events);
      if (git) assert.deepEqual({ files, bytes }, { files: git.files, bytes: git.bytes }, git.commit);
      if (events % 1_000 < 10) assert.deepEqual({ files, bytes }, tree.size(), `after ${events} events`);
    }
    assert.deepEqual({ files, bytes }, tree.size());
  }).timeout(60_000);

  for (const partitions of [1, 4]) {
    it(`state as of commits is what git says, with snapshots and ${partitions} partition(s)`, async () => {
      await open(partitions);
      const snapshots = { directory: temporaryDirectory(), version: '1', every: { records: 4_000 } };
      for (const { commit, committedAt, files, bytes } of [truth[7], truth[13], truth[20]] as Truth[]) {
        const asOf = parseMoment(new Date(committedAt).toISOString());
        const past = await stateAsOf(topology, { broker, snapshots, asOf });
        const rows = await Promise.all(
          past.stores.filter(({ spec }) => spec.name === 'totals').map((store) => store.row('all')),
        );
        const [row, ...others] = rows.filter((each) => each !== null);
        assert.deepEqual([row?.value, others], [{ files, bytes }, []], commit);
        await past.close();
      }
    }).timeout(60_000);
  }

  for (const [directory, limit] of [
    ['src/operators', 100_000],
    ['src/internal/operators', 500_000],
    ['src', 1_000],
  ] as const) {
    it(`bisect finds the event that first made ${directory} larger than ${limit} bytes`, async () => {
      await open(1);
      const tree = new Tree();
      const expected = landed.find((change) => {
        tree.apply(change);
        return directoryOf(change.file) === directory && tree.size(directory).bytes > limit;
      });

      const found = await bisect(topology, {
        broker,
        inMemory: true,
        store: 'directories',
        key: directory,
        when: ({ value }) => value !== null && (value as Size).bytes > limit,
      });

      assert.equal(found?.change.event.eventId, expected?.eventId);
      assert.ok(expected !== undefined || found === undefined);
    }).timeout(60_000);
  }
});
