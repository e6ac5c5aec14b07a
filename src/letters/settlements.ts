import { type LedgerRecord, letterOfKey } from '../runtime/ledger/ledger-entry.js';
import { ledgerRecords } from '../runtime/ledger/ledger-reader.js';
import { type LetterState, OPEN } from './letter.js';
import { isBefore, type LetterPosition } from './letter-id.js';
import type { LetterOptions, LetterTopic } from './letter-topic.js';

/** Offsets that are kept together: four bytes each. */
const PAGE = 1_024;

/** What one reading of the ledger may keep in memory. */
export interface SettlementLimits {
  /** Default: 32 MB, enough for eight million letters that were settled one after the other. */
  readonly pages: number;
  /** The characters of all different actors, times and reasons. */
  readonly characters: number;
}

const LIMITS: SettlementLimits = { pages: 8_192, characters: 4 * 1024 * 1024 };

/** What the entries say that this version cannot use. */
export interface LedgerProblems {
  /** Records that are no entries. */
  damaged: number;
  /** Entries about letters that say something that this version does not know. */
  unknown: number;
}

/** What becomes of a letter, by the word of an entry. */
const STATES: ReadonlyMap<string, Exclude<LetterState['name'], 'open'>> = new Map([
  ['discard', 'discarded'],
  ['redrive-request', 'requested'],
  ['redrive', 'redriven'],
]);

/** The operator has failed again: the letter is open. */
const FAILED = 'redrive-failed';

/**
 * Which letters of a topic the ledger has settled, and how: from one position on, up to
 * {@link Settlements.until}. The last record about a letter counts alone, so that the broker may remove those
 * before it at any time.
 *
 * The memory is bounded, however many letters and reasons there are: if one reading cannot keep them all, it
 * keeps those of the first letters, and the next reading goes on behind them.
 */
export class Settlements {
  readonly #topic: LetterTopic;
  readonly #from: LetterPosition;
  readonly #limits: SettlementLimits;
  /** For each page, the state of each of its offsets as an index; 0: open. */
  readonly #pages = new Map<string, Uint32Array>();
  #states: LetterState[] = [OPEN];
  #indexes = new Map<string, number>();
  #characters = 0;
  #until: LetterPosition | undefined;
  readonly problems: LedgerProblems = { damaged: 0, unknown: 0 };

  private constructor(topic: LetterTopic, from: LetterPosition, limits: SettlementLimits) {
    this.#topic = topic;
    this.#from = from;
    this.#limits = limits;
  }

  /** Reads the ledger as it is now. */
  static async read(
    options: LetterOptions,
    topic: LetterTopic,
    from: LetterPosition,
    limits: SettlementLimits = LIMITS,
  ): Promise<Settlements> {
    const { broker, applicationId, signal } = options;
    const found = new Settlements(topic, from, limits);
    for await (const record of ledgerRecords({ broker, applicationId, signal })) found.#take(record);
    return found;
  }

  /** What is known ends before this position; undefined: nothing is left out. */
  get until(): LetterPosition | undefined {
    return this.#until;
  }

  /** Whether it is known what has become of this letter. */
  covers(at: LetterPosition): boolean {
    return !isBefore(at, this.#from) && (this.#until === undefined || isBefore(at, this.#until));
  }

  /** What has become of a letter that is covered. */
  stateOf({ partition, offset }: LetterPosition): LetterState {
    const index = this.#pages.get(pageKey(partition, pageOf(offset)))?.[offset % PAGE] ?? 0;
    return this.#states[index] as LetterState;
  }

  /** Notes what this process has just written to the ledger. */
  settle(at: LetterPosition, state: LetterState): void {
    if (!this.covers(at)) return;
    const page = this.#page(at, state !== OPEN);
    if (page) page[at.offset % PAGE] = this.#indexOf(state);
    while (this.#pages.size > this.#limits.pages || this.#characters > this.#limits.characters)
      if (!this.#shrink()) return;
  }

  #take(record: LedgerRecord): void {
    if (record.kind === 'damaged') this.problems.damaged++;
    const at = record.key === null ? undefined : letterOfKey(record.key);
    if (!at || at.topic !== this.#topic.name) return;
    const part = this.#topic.partitions[at.partition];
    // The offset of a letter that will come, or is gone, says nothing, and must not take memory.
    if (!part || at.offset < part.earliest || at.offset >= part.latest) return;
    this.settle(at, this.#stateOf(record));
  }

  #stateOf(record: LedgerRecord): LetterState {
    if (record.kind !== 'entry') return OPEN;
    const { what, actor, time, reason, fields } = record.entry;
    const name = STATES.get(what);
    if (name === undefined && what !== FAILED) this.problems.unknown++;
    // The topic was deleted and created again: another letter has this position now.
    const isOther =
      typeof fields.topicId === 'string' && this.#topic.topicId !== undefined && fields.topicId !== this.#topic.topicId;
    return name === undefined || isOther ? OPEN : { name, actor, time, reason };
  }

  #page({ partition, offset }: LetterPosition, create: boolean): Uint32Array | undefined {
    const key = pageKey(partition, pageOf(offset));
    const found = this.#pages.get(key);
    if (found || !create) return found;
    const made = new Uint32Array(PAGE);
    this.#pages.set(key, made);
    return made;
  }

  #indexOf(state: LetterState): number {
    if (state.name === 'open') return 0;
    const key = JSON.stringify([state.name, state.actor, state.time, state.reason]);
    const known = this.#indexes.get(key);
    if (known !== undefined) return known;
    this.#characters += key.length;
    this.#indexes.set(key, this.#states.length);
    return this.#states.push(state) - 1;
  }

  /** Forgets the second half of the pages, and the states that only they had. */
  #shrink(): boolean {
    const keys = [...this.#pages.keys()].sort((a, b) => (isBefore(startOf(a), startOf(b)) ? -1 : 1));
    if (keys.length < 2) return false;
    const left = keys.splice(Math.ceil(keys.length / 2));
    this.#until = startOf(left[0] as string);
    for (const key of left) this.#pages.delete(key);
    const before = this.#states;
    this.#states = [OPEN];
    this.#indexes = new Map();
    this.#characters = 0;
    for (const page of this.#pages.values())
      for (let i = 0; i < PAGE; i++) if (page[i]) page[i] = this.#indexOf(before[page[i] as number] as LetterState);
    return true;
  }
}

const pageOf = (offset: number): number => Math.floor(offset / PAGE);
const pageKey = (partition: number, page: number): string => `${partition}/${page}`;

/** The first position of a page. */
function startOf(key: string): LetterPosition {
  const [partition = 0, page = 0] = key.split('/').map(Number);
  return { partition, offset: page * PAGE };
}
