import type { Duration } from '../../model/duration.js';
import { IdleClock } from '../clock/idle-clock.js';
import type { AnyRecord, Lookups, Processor, ProcessorContext } from '../contract/processor.js';

interface IdleOptions {
  /** The store of the fold. */
  readonly name: string;
  readonly closeAfter: { readonly idle: Duration } | undefined;
  /** The port of the internal input. */
  readonly port: number;
}

/** Gives a fold its idle clock, if it has one: the steps of the clock come from the internal input. */
export function withIdleClock(
  context: ProcessorContext,
  { name, closeAfter, port }: IdleOptions,
  create: (idle: IdleClock | undefined) => Processor,
): Processor {
  if (closeAfter === undefined) return create(undefined);
  const idle = new IdleClock(context, { idle: closeAfter.idle, name, input: 0 });
  return new IdleFold(create(idle), idle, port);
}

class IdleFold implements Processor {
  constructor(
    private readonly fold: Processor,
    private readonly idle: IdleClock,
    private readonly port: number,
  ) {}

  start(): void | Promise<void> {
    return this.fold.start?.();
  }

  prepare(record: AnyRecord, port: number, lookups: Lookups): unknown {
    return port === this.port ? undefined : this.fold.prepare?.(record, port, lookups);
  }

  process(record: AnyRecord, port: number, prepared: unknown): void | Promise<void> {
    return port === this.port ? this.idle.process(record) : this.fold.process(record, port, prepared);
  }

  giveUp(record: AnyRecord, port: number, prepared: unknown): void | Promise<void> {
    if (port !== this.port) return this.fold.giveUp?.(record, port, prepared);
  }
}
