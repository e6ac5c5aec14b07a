import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { BrokerRecord } from '../../broker/port.js';
import type { Topology } from '../../dsl/contract/processor.js';
import { isStreamsError, messageOf } from '../../model/errors.js';
import { seededRandom } from '../../model/random.js';
import { framePast, Past, type PastFrame } from '../past/past.js';
import type { PastOptions, PastSlice } from '../past/past-options.js';
import { type EventInfo, EventReader } from '../rerun/event.js';
import { temporaryDirectory } from '../rerun/temporary.js';
import type { RunWatcher } from '../rerun/watcher.js';
import { blame } from './blame.js';
import { DigestFile } from './digest-file.js';
import { freezeDeep, saysFrozen } from './freeze.js';
import { type DigestedStep, positionStores, RunDigest } from './run-digest.js';
import { stateHashes } from './state-hash.js';
import { isMixed, permuteTies, tieGroups } from './ties.js';

export interface VerifyOptions extends Omit<PastOptions, 'snapshots'>, PastSlice {
  /** Chooses batch sizes, restarts and orders. Default 1. */
  readonly seed?: number;
}

/**
 * How the slice is run again, and what a difference then means:
 *
 * - `batches`: in batches of other sizes, with frozen records and rows. `different`: the topology uses the
 *   clock, randomness, or memory outside of stores. `mutated`: it changed a record or row in place.
 * - `restarts`: with restarts at random points. `different`: an operator keeps state outside of stores, as
 *   `scan` and `pairwise` do.
 * - `equal times`: records of different partitions with equal timestamps come in another order; only the last
 *   row and the last output of each key are compared. `different`: the result depends on an order that a live
 *   run does not guarantee.
 */
export type VerifyRun = 'batches' | 'restarts' | 'equal times';

export interface VerifyDifference {
  readonly run: VerifyRun;
  readonly kind: 'different' | 'mutated' | 'failed';
  /**
   * The first record with another result; undefined if only the state differed at the end. With equal times,
   * the first record of its group.
   */
  readonly event: EventInfo | undefined;
  /** Where they differ: an operator, sink or store, or the plain operators between two nodes. */
  readonly operator: string;
  readonly what: string;
}

export interface VerifyReport {
  readonly records: number;
  readonly restarts: number;
  /** Groups of records with equal timestamps that were reordered. */
  readonly reordered: number;
  /** Digests of the stores' rows at the end. */
  readonly state: Readonly<Record<string, string>>;
  /** Empty: the topology is deterministic, as far as this slice shows. At most one difference per run. */
  readonly differences: readonly VerifyDifference[];
}

const WINDOW_RECORDS = 1_000;
const SIZES = [1, 2, 7, 100] as const;
/** Restarts are frequent at first and then rare: a short slice gets some, and a long one not too many. */
const FIRST_RESTART_RECORDS = 3;
const RESTART_GROWTH = 1.7;
/** Positions of records, as messages name them. */
const PLACES = /[\w.-]+\[\d+\]@\d+/g;

/**
 * Runs a slice of the past four times and compares the runs. Every record must have the same results, and the
 * stores must be the same at the end. The second run uses other batch sizes, the third restarts at random
 * points, the fourth reorders records with equal timestamps. This finds uses of the clock and of randomness,
 * operators with state outside of stores, and records and rows that are changed in place. It names the first
 * record with another result, and the operator.
 *
 * Cost: about five replays. Memory does not grow with the slice; digests (about a hundred bytes per record)
 * are in a temporary file. Errors: those of {@link replay}; what the topology throws in the first run.
 *
 * ```ts no-run
 * const { differences } = await verify(shop, { broker });
 * for (const { event, operator, what } of differences) console.log(event?.offset, operator, what);
 * ```
 */
export async function verify(topology: Topology, options: VerifyOptions): Promise<VerifyReport> {
  const frame = await framePast(topology, options);
  const directory = await temporaryDirectory('verify');
  try {
    return await new Verification(frame, options, join(directory, 'digests')).run();
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

class Verification {
  readonly #frame: PastFrame;
  readonly #options: VerifyOptions;
  readonly #expected: DigestFile;
  readonly #events: EventReader;
  #state: ReadonlyMap<string, string> = new Map();
  #records = 0;
  #restarts = 0;
  #reordered = 0;

  constructor(frame: PastFrame, options: VerifyOptions, path: string) {
    this.#frame = frame;
    this.#options = options;
    this.#expected = new DigestFile(path);
    this.#events = new EventReader(frame.declaration);
  }

  async run(): Promise<VerifyReport> {
    await this.#reference();
    const differences: VerifyDifference[] = [];
    for (const run of ['batches', 'restarts', 'equal times'] as const) {
      const difference = await this.#again(run);
      if (difference) differences.push(difference);
    }
    return {
      records: this.#records,
      restarts: this.#restarts,
      reordered: this.#reordered,
      state: Object.fromEntries(this.#state),
      differences,
    };
  }

  async #reference(): Promise<void> {
    const digest = new RunDigest(this.#frame);
    const past = await this.#open(digest);
    try {
      for (let some = await past.next(WINDOW_RECORDS); some.length > 0; some = await past.next(WINDOW_RECORDS)) {
        const begin = past.run.records;
        await past.process(some);
        for (let i = 0; i < some.length; i++) await this.#expected.add(digest.at(begin + i));
        digest.forget();
      }
      await past.run.commit();
      this.#records = past.run.records;
      this.#state = await stateHashes(this.#frame.declaration, past.run);
    } finally {
      await this.#expected.end();
      await past.close();
    }
  }

  async #again(run: VerifyRun): Promise<VerifyDifference | undefined> {
    const digest = new RunDigest(this.#frame);
    const frozen: RunWatcher = { step: (step, at) => digest.step(step, at), pass: freezeDeep };
    const past = await this.#open(run === 'batches' ? frozen : digest);
    const expected = this.#expected.read();
    const random = seededRandom(this.#options.seed ?? 1);
    let restartAt = FIRST_RESTART_RECORDS;
    let gap = FIRST_RESTART_RECORDS;
    let window: readonly BrokerRecord[] = [];
    let begin = 0;
    try {
      for (;;) {
        const size = run === 'batches' ? (SIZES[Math.floor(random() * SIZES.length)] as number) : WINDOW_RECORDS;
        const left = run === 'restarts' ? Math.max(1, restartAt - past.run.records) : size;
        window = await past.next(Math.min(size, left));
        if (window.length === 0) break;
        begin = past.run.records;
        const groups = run === 'equal times' ? tieGroups(await this.#times(window)) : window.map(() => 1);
        if (run === 'equal times') this.#countMixed(window, groups);
        await past.process(run === 'equal times' ? permuteTies(window, groups, random) : window);
        const difference = await this.#compare(run, { digest, expected, window, groups, begin });
        if (difference) return difference;
        digest.forget();
        if (run === 'restarts' && past.run.records >= restartAt) {
          await past.run.restart();
          this.#restarts++;
          gap *= RESTART_GROWTH;
          restartAt = past.run.records + 1 + Math.floor(random() * gap);
        }
      }
      await past.run.commit();
      return this.#compareState(run, await stateHashes(this.#frame.declaration, past.run));
    } catch (error) {
      if (!isStreamsError(error) || error.code === 'STOPPED') throw error;
      return await this.#failed(run, error, window);
    } finally {
      await expected.return(undefined);
      await past.close();
    }
  }

  #times(window: readonly BrokerRecord[]): Promise<number[]> {
    return Promise.all(window.map((record) => this.#frame.dates.timeOf(record)));
  }

  #countMixed(window: readonly BrokerRecord[], groups: readonly number[]): void {
    let at = 0;
    for (const length of groups) {
      if (isMixed(window.slice(at, at + length))) this.#reordered++;
      at += length;
    }
  }

  /**
   * Compares the results of a window's records, group by group; a group is one record, or the records of
   * equal time.
   */
  async #compare(
    run: VerifyRun,
    at: {
      readonly digest: RunDigest;
      readonly expected: AsyncGenerator<readonly DigestedStep[]>;
      readonly window: readonly BrokerRecord[];
      readonly groups: readonly number[];
      readonly begin: number;
    },
  ): Promise<VerifyDifference | undefined> {
    const { digest, expected, window, groups, begin } = at;
    let first = 0;
    for (const length of groups) {
      const wanted: DigestedStep[] = [];
      const found: DigestedStep[] = [];
      for (let i = first; i < first + length; i++) {
        wanted.push(...((await expected.next()).value ?? []));
        found.push(...digest.at(begin + i));
      }
      const blamed = blame(this.#frame.topology, digest, { wanted, found, unordered: run === 'equal times' });
      if (blamed) {
        const event = await this.#events.read(window[first] as BrokerRecord);
        return { run, kind: 'different', event, ...blamed };
      }
      first += length;
    }
    return undefined;
  }

  #compareState(run: VerifyRun, found: ReadonlyMap<string, string>): VerifyDifference | undefined {
    const ignored = run === 'equal times' ? positionStores(this.#frame.topology) : new Set<string>();
    const store = [...found].find(([name, hash]) => !ignored.has(name) && this.#state.get(name) !== hash)?.[0];
    if (store === undefined) return undefined;
    const what = 'every record had the same results, but the rows differ at the end';
    return { run, kind: 'different', event: undefined, operator: `store ${store}`, what };
  }

  async #failed(run: VerifyRun, error: Error, window: readonly BrokerRecord[]): Promise<VerifyDifference> {
    const mutated = run === 'batches' && saysFrozen(error);
    // The message names the task's input record: the source record itself, unless it was repartitioned.
    const places = new Set(error.message.match(PLACES));
    const record = window.find(({ topic, partition, offset }) => places.has(`${topic}[${partition}]@${offset}`));
    const node = /node ([^:.]+)/.exec(error.message)?.[1] ?? 'unknown';
    return {
      run,
      kind: mutated ? 'mutated' : 'failed',
      event: record && (await this.#events.read(record)),
      operator: node,
      what: mutated
        ? `it changed a record or row in place: ${messageOf(error)}`
        : `it failed, unlike in the first run: ${messageOf(error)}`,
    };
  }

  #open(watcher: RunWatcher): Promise<Past> {
    const { from, until } = this.#options;
    return Past.open(this.#frame, { ...(from && { from }), ...(until && { until }), watcher });
  }
}
