// A process of an application, for tests that kill it. Says how it is, in lines of JSON.
import { type Clock, openBroker, start } from 'millrace';
import { type ApplicationOptions, counting, type Said } from './support/counting.js';

const {
  brokers,
  name,
  state,
  options,
  speed = 1,
  quiet = false,
  stall,
} = JSON.parse(process.argv[2] ?? '') as ApplicationOptions;
const say = (said: object): void => void process.stdout.write(`${JSON.stringify(said)}\n`);
const warn = (_: object, warning: string): void => say({ warning });
const logger = { debug() {}, info() {}, warn, error: warn };

const clock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now() * speed,
  after: (ms, callback) => {
    const timer = setTimeout(callback, ms / speed);
    return () => clearTimeout(timer);
  },
};
const broker = await openBroker(`kafka://${brokers.join(',')}`, { logger, clock });
let stalled = false;
const stallAt = (word: string): void => {
  if (stalled || word !== stall?.word) return;
  stalled = true;
  const until = performance.now() + stall.ms;
  while (performance.now() < until);
};
const streams = await start(counting(name, stallAt), { broker, stateDirectory: state, logger, clock, ...options });
const progress = (): Said => {
  const { phase, tasks, metrics } = streams.progress();
  return { phase, tasks, recordsIn: metrics.recordsIn, restored: metrics.restoredRecords };
};
const telling = setInterval(() => say(progress()), 20);
let stopping = false;
process.once('SIGTERM', () => {
  stopping = true;
  // `done` tells of what failed.
  streams.stop().catch(() => undefined);
});
// Says its rows each time that there is nothing left to do.
const idle = async (): Promise<void> => {
  while (!stopping) {
    await streams.untilIdle();
    const rows: Record<string, number> = {};
    for (const [key, value] of await streams.store<string, number>('totals').entries()) rows[key] = Number(value);
    say({ ...progress(), rows });
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
};
const failed = (error: Error): void => {
  if (!stopping) say({ warning: `cannot say its rows: ${error.message}` });
};
if (!quiet) await Promise.race([idle().catch(failed), streams.done]).catch(() => undefined);
try {
  await streams.done;
} catch (error) {
  say({ warning: `ended: ${(error as Error).message}` });
  process.exitCode = 1;
} finally {
  clearInterval(telling);
  await broker.close();
}
