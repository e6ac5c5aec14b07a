import {
  process as processing,
  type Stream,
  type StreamRecord,
  serdes,
  type Topology,
  to,
  topology,
} from '#src/index.js';
import { Headers } from '#src/model/headers.js';
import { type ReplayedRecord, replay } from '#src/replay/index.js';
import type { EngineOptions } from '#src/runtime/config/config.js';
import { ManualClock } from '#src/testing/manual-clock.js';
import { Application, type Machine, memoryBroker } from '../../support/application.js';
import { json } from '../support.js';

const numbers = json<number>();

/** A clock that can be set back: `now` changes, and what waits for it does not. */
export class SkewedClock extends ManualClock {
  skew = 0;

  override now(): number {
    return super.now() + this.skew;
  }
}

/** An application that follows the clock, step by step. */
export class ByTheClock {
  private constructor(
    readonly app: Application,
    readonly clock: SkewedClock,
  ) {}

  static async of(target: Topology, options: EngineOptions = {}, machine?: Machine): Promise<ByTheClock> {
    const clock = new SkewedClock();
    const app = new Application({
      topology: target,
      options,
      clock,
      broker: memoryBroker(clock),
      ...(machine && { machine }),
    });
    await app.createTopics({ in: 1, out: 1 });
    return new ByTheClock(app, clock);
  }

  /** Time passes, in one step or several, and the application does what is due. */
  async go(...steps: readonly number[]): Promise<void> {
    for (const ms of steps) {
      this.clock.advance(ms);
      await this.app.runThrough();
    }
  }

  async out(): Promise<string> {
    return (await this.app.read('out')).map(({ value }) => value).join(' ');
  }

  /** What a replay writes. */
  async replayed(): Promise<string> {
    const written: ReplayedRecord[] = [];
    const onOutput = (some: readonly ReplayedRecord[]): void => void written.push(...some);
    await replay(this.app.topology, { broker: this.app.broker, inMemory: true, onOutput });
    return written
      .filter((record) => record.topic === 'out')
      .map(({ value }) => String(value))
      .join(' ');
  }

  /** Writes a record that no task has noted. */
  async forge(topic: string, key: string | null, value: string): Promise<void> {
    const writer = await this.app.broker.createWriter();
    await writer.write([
      {
        topic,
        partition: 0,
        key: key === null ? null : Buffer.from(key),
        value: Buffer.from(value),
        timestamp: 0,
        headers: Headers.none,
      },
    ]);
    await writer.flush();
    await writer.close();
  }
}

/** From the topic `in` to the topic `out`. */
export const between = (build: (input: Stream<string, number>) => Stream<unknown, unknown>): Topology =>
  topology('app', (t) => build(t.stream('in', numbers)).pipe(to('out', { key: serdes.json(), value: serdes.json() })));

/** Says when its timer of 10 ms fired. A record cancels the timer. */
export const ticking = (missed?: 'none' | 'one' | 'each'): Topology =>
  between((input) => {
    let stop = (): void => undefined;
    return input.pipe(
      processing<StreamRecord<string, number>, Record<never, never>, number, string>(
        {
          name: 'tick',
          rekey: { key: serdes.string },
          ...(missed && { wallClock: { missed } }),
          start: ({ schedule, emit }) => {
            stop = schedule('10ms', 'wall', (now) => emit({ key: 'tick', value: now }));
          },
        },
        () => stop(),
      ),
    );
  });
