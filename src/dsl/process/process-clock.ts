import { StreamsError } from '../../model/errors.js';
import { show } from '../../model/text/show.js';
import type { StoreSpec } from '../../state/contract.js';
import { type KeyTimer, momentStores } from '../clock/key-timers.js';
import { Moments } from '../clock/moments.js';
import { factsOf, timersOf } from '../clock/noted.js';
import { firedStore, type MissedFirings, WallTimers } from '../clock/wall-timers.js';
import type { AnyRecord, AnySerde, InternalInputSpec, Lookups, ProcessorContext } from '../contract/processor.js';
import type { Declaring } from '../declare/declaring.js';

/** The options of `process` that concern the wall clock. */
interface ClockOptions {
  readonly name: string;
  readonly start?: unknown;
  readonly wallClock?: boolean | { readonly missed: MissedFirings };
  readonly timer?: { readonly payload: AnySerde };
}

const MISSED: readonly MissedFirings[] = ['none', 'one', 'each'];

/** The internal input of `process` is its only one. */
const INPUT = 0;

/** What the wall clock adds to the declaration of an operator. */
export class DeclaredClock {
  readonly #options: ClockOptions;
  readonly #missed: MissedFirings | undefined;
  readonly #serdes: { readonly key: AnySerde; readonly value: AnySerde } | undefined;
  readonly stores: readonly StoreSpec[];
  readonly internalInputs: readonly InternalInputSpec[];

  constructor(current: Declaring, options: ClockOptions, key: AnySerde) {
    const { name, timer, start, wallClock = start !== undefined } = options;
    this.#options = options;
    this.#missed = wallClock === false ? undefined : wallClock === true ? 'none' : wallClock.missed;
    if (this.#missed !== undefined && !MISSED.includes(this.#missed))
      current.problem(
        `process ${name}`,
        `wallClock.missed is ${show(this.#missed)}`,
        `Write one of ${MISSED.join(', ')}.`,
      );
    if (this.#missed !== undefined && start === undefined)
      current.problem(
        `process ${name}`,
        'wallClock is set, and there is no start',
        'Schedule the timers in start. For timers that records set, use at and the option timer.',
      );
    this.#serdes = timer && current.bound({ key, value: timer.payload }, 'store', `${name}-timers`);
    this.stores = [
      ...(this.#serdes ? momentStores(name, key) : []),
      ...(this.#missed === undefined ? [] : [firedStore(name)]),
    ];
    this.internalInputs = this.#missed !== undefined || timer ? [timersOf(name)] : [];
  }

  open(context: ProcessorContext, run: (timer: KeyTimer<unknown, unknown>) => void | Promise<void>): ProcessClock {
    const { name } = this.#options;
    const { key, value: payload } = this.#serdes ?? {};
    return new ProcessClock(name, {
      timers: this.#missed && new WallTimers(context, { name, input: INPUT, missed: this.#missed }),
      moments: key && payload && new Moments(context, { name, input: INPUT, key, payload, run }),
    });
  }
}

/** The timers of one `process` operator in one task. */
export class ProcessClock {
  readonly #name: string;
  readonly #timers: WallTimers | undefined;
  readonly #moments: Moments<unknown, unknown> | undefined;

  constructor(
    name: string,
    parts: { readonly timers: WallTimers | undefined; readonly moments: Moments<unknown, unknown> | undefined },
  ) {
    this.#name = name;
    this.#timers = parts.timers;
    this.#moments = parts.moments;
  }

  async start(): Promise<void> {
    await this.#timers?.start();
    await this.#moments?.start();
  }

  /** The operator has started. */
  begun(): void {
    this.#timers?.begun();
  }

  prepare(key: unknown, lookups: Lookups): void {
    this.#moments?.prepare(key, lookups);
  }

  /** A record of the internal input. */
  process(record: AnyRecord): void | Promise<void> {
    return factsOf(record.value).of === 'key' ? this.#moments?.process(record) : this.#timers?.process(record);
  }

  giveUp(record: AnyRecord): void | Promise<void> {
    return factsOf(record.value).of === 'key' ? this.#moments?.giveUp(record) : this.#timers?.giveUp(record);
  }

  /** Ends a turn in which timers of keys may have been set or cancelled. */
  after(turn: void | Promise<void>): void | Promise<void> {
    const moments = this.#moments;
    if (moments === undefined) return turn;
    if (!turn) return moments.ready();
    return Promise.resolve(turn).then(() => moments.ready());
  }

  get timers(): WallTimers {
    if (this.#timers) return this.#timers;
    throw new StreamsError('CONFIG_INVALID', {
      what: 'a timer of the wall clock has no internal input',
      at: `process ${this.#name}`,
      action: 'Schedule it in start, and do not set wallClock: false. For a timer that a record sets, use at.',
    });
  }

  get moments(): Moments<unknown, unknown> {
    if (this.#moments) return this.#moments;
    throw new StreamsError('CONFIG_INVALID', {
      what: 'at and cancel need to know how timers are kept and run',
      at: `process ${this.#name}`,
      action: 'Set timer: { payload, run } in the options of the operator.',
    });
  }
}
