import type { ProducerRecord } from '../broker/port.js';
import type { Topology } from '../dsl/contract/processor.js';
import { ledgerTopic, repartitionTopic, transactionalId } from '../graph/naming.js';
import { StreamsError } from '../model/errors.js';
import { type Clock, sleep } from '../model/ports.js';
import { currentVersion, readableOffsets } from '../runtime/config/application-version.js';
import { systemClock } from '../runtime/config/system.js';
import { actorOf } from '../runtime/ledger/actor.js';
import { checkText, ledgerRecord, letterKey, MAX_ACTOR, MAX_REASON } from '../runtime/ledger/ledger-entry.js';
import { ensureLedger } from '../runtime/ledger/ledger-topic.js';
import { markOf } from '../runtime/offsets/reset-marks.js';
import { withRequest } from '../runtime/redrive/redrive-request.js';
import { withoutLetterHeaders } from '../runtime/send/dead-letter.js';
import { owned, ownerOf } from '../runtime/topics/topic-owners.js';
import { LOG_CONFIG } from '../runtime/topics/topic-uses.js';
import { batches } from './batches.js';
import type { Letter } from './letter.js';
import type { LetterPosition } from './letter-id.js';
import { type LetterOptions, type LetterTopic, letterTopic, unknownLetter } from './letter-topic.js';
import { readLetters } from './read-letters.js';
import { type RedriveAt, type RedriveTarget, RedriveTargets } from './redrive-target.js';
import { Settlements } from './settlements.js';

/** The steps of a redrive, in their order; the second one repeats. */
export type RedriveStep = '1 topics' | '2 requests' | '3 done';

/** Other bytes for the record of a letter. What is left out stays. */
export interface LetterPatch {
  readonly key?: Buffer | null;
  readonly value?: Buffer | null;
}

export interface RedriveOptions extends LetterOptions {
  /** The topology that is to get the records. */
  readonly topology: Topology;
  /** Which letters: those of `listLetters`, or positions. */
  readonly letters: Iterable<LetterPosition> | AsyncIterable<LetterPosition>;
  /** Why they can be processed now. */
  readonly reason: string;
  /** Who says so. Default: `MILLRACE_ACTOR` of the environment, else the user of the operating system. */
  readonly actor?: string | undefined;
  readonly clock?: Clock | undefined;
  /** Default: `operator`. */
  readonly at?: RedriveAt | undefined;
  /** Other bytes for a letter. The letter itself stays as it is; the ledger notes that it was patched. */
  readonly patch?: ((letter: Letter) => LetterPatch | undefined | Promise<LetterPatch | undefined>) | undefined;
  /** Letters in a second, at most. Default: as fast as the broker takes them. */
  readonly rate?: number | undefined;
  /** Letters of one transaction, at most. Default: 1,000, and never more than `rate`. */
  readonly batch?: number | undefined;
  /** Also letters that were requested before, and of which nothing has become. */
  readonly again?: boolean | undefined;
  /** Called with letters that are about to be requested: {@link watchRedriven} may wait for them. */
  readonly onRequest?: ((letters: readonly Letter[]) => void) | undefined;
  /** Called after each batch. */
  readonly onProgress?: ((report: RedriveReport) => void) | undefined;
  /** Called after each step: a crash test throws here. */
  readonly afterStep?: (step: RedriveStep) => void | Promise<void>;
}

export interface RedriveReport {
  /** Letters that the application will get. */
  readonly requested: number;
  /** Letters that were settled or requested before; they stay as they were. */
  readonly before: number;
  /** Letters that the topic no longer keeps. */
  readonly gone: number;
  /** Whether a process of the application is running. If not, it gets them when it starts. */
  readonly running: boolean;
  /** The internal inputs that were created: a process that was running before reads them after a restart. */
  readonly created: readonly string[];
  /** False if the signal has ended the work. */
  readonly complete: boolean;
}

/**
 * Asks the application to process the records of letters again, at the operator that gave them up. Each
 * letter gets one request, however often this is called: request and ledger entry are one transaction, and a
 * call ends one that still runs. The task writes to the ledger what has become of a letter, in the commit
 * that has its effect: `redrive`, or `redrive-failed` if the operator fails again. Such a letter is open
 * again. No other application sees anything: nothing is written to the source.
 *
 * The record keeps topic, partition, offset, timestamp and headers of the one that failed. It moves no stream
 * time: windows that are closed by now drop it as late.
 *
 * | step | what | a crash after it |
 * |---|---|---|
 * | 1 topics | ledger and internal inputs exist | nothing is requested |
 * | 2 requests | a transaction has the requests of at most 1,000 letters, and their entries; again for the next ones | these are requested; call it again, and it continues with the others |
 * | 3 done | all of them are requested | nothing: it is whole |
 *
 * Memory: one batch. Errors: REDRIVE_TARGET_UNKNOWN, LETTER_INCOMPLETE, LETTER_UNKNOWN (nothing of the batch
 * is requested then), RESET_UNFINISHED, CONFIG_INVALID for an empty reason, TOPIC_FOREIGN, and those of the
 * broker.
 *
 * ```ts no-run
 * const letters = listLetters({ broker, applicationId: 'payments', code: 'PROCESS_FAILED' });
 * await redriveLetters({ broker, applicationId: 'payments', topology: shop, letters, reason: 'fixed in 2.4.1' });
 * ```
 */
export async function redriveLetters(options: RedriveOptions): Promise<RedriveReport> {
  const { broker, applicationId, topology, reason, clock = systemClock, actor = actorOf(process.env) } = options;
  const { signal, rate, batch: most = 1_000 } = options;
  checkText('reason', reason, MAX_REASON);
  checkText('actor', actor, MAX_ACTOR);
  if (rate !== undefined && !(rate > 0)) throw noRate(rate);
  if (!(Number.isSafeInteger(most) && most > 0)) throw noBatch(most);
  const topic = await letterTopic(options);
  await checkNoReset(options);
  const version = await currentVersion(broker.admin, applicationId);
  const targets = new RedriveTargets(topology, version.prefix, options.at ?? 'operator');
  const inputs = new LetterInputs(options, version);
  const running = (await broker.admin.groupMembers(applicationId)).length > 0;
  let [requested, before, gone] = [0, 0, 0];
  const reportOf = (complete: boolean): RedriveReport => ({
    ...{ requested, before, gone, running, complete },
    created: inputs.created,
  });
  // It ends the transaction of another call that still runs.
  const writer = await broker.createWriter({ transactionalId: transactionalId(applicationId, 'redrive') });
  let settlements: Settlements | undefined;
  const started = clock.monotonic();
  try {
    await ensureLedger(broker.admin, applicationId);
    await options.afterStep?.('1 topics');
    for await (const batch of batches(options.letters, Math.ceil(Math.min(most, rate ?? most)))) {
      if (signal?.aborted) return reportOf(false);
      for (const at of batch) if (!exists(topic, at)) throw unknownLetter(topic, at);
      const open: Letter[] = [];
      const kept = batch.filter(({ partition, offset }) => offset >= (topic.partitions[partition]?.earliest ?? 0));
      for (const at of kept) {
        if (settlements?.covers(at)) continue;
        settlements = await Settlements.read({ ...options, signal: undefined }, topic, at);
      }
      const letters = settlements ? await readLetters(options, topic, kept, settlements) : [];
      gone += batch.length - letters.length;
      for (const letter of letters) {
        const { name } = letter.state;
        if (name === 'open' || (name === 'requested' && options.again === true)) open.push(letter);
        else before++;
      }
      if (open.length > 0) {
        const records: Requested[] = [];
        for (const letter of open) records.push(await requestFor(letter, { options, targets, actor, topic }));
        for (const { target } of records) await inputs.ensure(target);
        options.onRequest?.(open);
        await writer.begin();
        await writer.write(records.flatMap(({ request, entry }) => [request, entry(clock.now())]));
        await writer.commit();
        for (const at of open) settlements?.settle(at, { name: 'requested', actor, time: clock.now(), reason });
        requested += open.length;
        await options.afterStep?.('2 requests');
      }
      options.onProgress?.(reportOf(false));
      if (rate !== undefined) await sleep(clock, (requested / rate) * 1_000 - (clock.monotonic() - started), signal);
    }
    await options.afterStep?.('3 done');
    return reportOf(true);
  } finally {
    await writer.close();
  }
}

interface Requested {
  readonly target: RedriveTarget;
  readonly request: ProducerRecord;
  readonly entry: (now: number) => ProducerRecord;
}

async function requestFor(
  letter: Letter,
  {
    options,
    targets,
    actor,
    topic,
  }: {
    readonly options: RedriveOptions;
    readonly targets: RedriveTargets;
    readonly actor: string;
    readonly topic: LetterTopic;
  },
): Promise<Requested> {
  const { applicationId, reason, patch } = options;
  const patched = await patch?.(letter);
  const target = targets.of(letter, patched?.value !== undefined);
  const { partition, offset } = letter;
  const at = { topic: topic.name, partition, offset };
  const { topic: from, partition: width, offset: position } = target.origin;
  const asked = {
    letter: at,
    topicId: topic.topicId,
    origin: { topic: from, partition: width, offset: position },
    ...{ at: target.node, actor, reason, patched: patched !== undefined },
  };
  return {
    target,
    request: {
      topic: target.topic,
      partition: target.origin.partition,
      key: patched?.key === undefined ? letter.key : patched.key,
      value: patched?.value === undefined ? letter.value : patched.value,
      timestamp: letter.timestamp,
      headers: withRequest(withoutLetterHeaders(letter.headers), asked),
    },
    entry: (now) =>
      ledgerRecord(
        ledgerTopic(applicationId),
        {
          key: letterKey(at),
          what: 'redrive-request',
          ...{ actor, reason },
          fields: {
            ...(topic.topicId !== undefined && { topicId: topic.topicId }),
            ...{ at: target.node, patched: patched !== undefined },
          },
        },
        now,
      ),
  };
}

/** Creates internal inputs that are missing: the application makes them if its policies may write letters. */
class LetterInputs {
  readonly created: string[] = [];
  readonly #known = new Set<string>();
  readonly #options: RedriveOptions;
  readonly #version: Awaited<ReturnType<typeof currentVersion>>;

  constructor(options: RedriveOptions, version: Awaited<ReturnType<typeof currentVersion>>) {
    this.#options = options;
    this.#version = version;
  }

  async ensure({ topic, subTopology }: RedriveTarget): Promise<void> {
    if (this.#known.has(topic)) return;
    const { broker, applicationId } = this.#options;
    const { prefix } = this.#version;
    const read = [...subTopology.topics, ...subTopology.repartitions.map((name) => repartitionTopic(prefix, name))];
    const found = await broker.admin.describeTopics([topic, ...read]);
    if (!found.some(({ name }) => name === topic)) {
      const partitions = Math.max(1, ...found.map((each) => each.partitions));
      const config = owned(LOG_CONFIG, ownerOf(applicationId, this.#version));
      await broker.admin.createTopics([{ name: topic, partitions, config }]);
      this.created.push(topic);
    }
    this.#known.add(topic);
  }
}

/** Errors: RESET_UNFINISHED: positions are about to change, and so is what a request means. */
async function checkNoReset({ broker, applicationId }: RedriveOptions): Promise<void> {
  const committed = await readableOffsets(broker.admin, applicationId);
  const unfinished = committed.map(markOf).find((mark) => mark?.unfinished);
  if (unfinished === undefined) return;
  throw new StreamsError('RESET_UNFINISHED', {
    what: 'the application is being reset',
    at: `group ${applicationId}`,
    saw: `the reset ${unfinished.id}, which has not ended`,
    action: 'Run millrace reset again, which finishes it. Then feed the letters in.',
  });
}

const exists = ({ partitions }: LetterTopic, { partition, offset }: LetterPosition): boolean =>
  offset >= 0 && offset < (partitions[partition]?.latest ?? 0);

const noRate = (rate: number): StreamsError =>
  new StreamsError('CONFIG_INVALID', {
    what: 'cannot use the rate',
    saw: `${rate} letters a second`,
    expected: 'a number above 0',
    action: 'Leave it out to feed letters in as fast as the broker takes them.',
  });

const noBatch = (batch: number): StreamsError =>
  new StreamsError('CONFIG_INVALID', {
    what: 'cannot use the size of a batch',
    saw: `${batch} letters`,
    expected: 'a whole number above 0',
    action: 'Leave it out to request up to 1,000 letters at once.',
  });
