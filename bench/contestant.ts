/**
 * One application for a comparison with other stream libraries, as a user would start it. Everything comes by environment variables:
 * `BOOTSTRAP`, `WORKLOAD`, `APP_ID`, `IN`, `TABLE`, `OUT`, `STATE_DIR`; `EOS=on` for exactly once, `COMMIT_MS` for the commit interval, `CACHE_MB` for the memory of cached rows.
 *
 * Prints `RESTORED <records> <ms>` if it restored something, `READY` once it runs, and ends on SIGTERM. Exit codes: 3 for a workload that is not there, 1 for a failure.
 */
import { openBroker, start } from 'millrace';
import { WORKLOADS } from './workloads/workloads.js';

const {
  BOOTSTRAP = '127.0.0.1:9092',
  WORKLOAD = '',
  APP_ID = 'bench',
  IN = 'in',
  TABLE = 'table',
  OUT = 'out',
  STATE_DIR = '.millrace/bench',
  EOS,
  COMMIT_MS,
  CACHE_MB,
} = process.env;

const workload = WORKLOADS[WORKLOAD];
if (workload) await run(workload({ input: IN, table: TABLE, output: OUT }));
else {
  process.stderr.write(`unsupported workload ${WORKLOAD}\n`);
  process.exitCode = 3;
}

async function run(topology: Parameters<typeof start>[0]): Promise<void> {
  const broker = await openBroker(`kafka://${BOOTSTRAP}`);
  const began = performance.now();
  const streams = await start(topology, {
    broker,
    applicationId: APP_ID,
    stateDirectory: STATE_DIR,
    guarantee: EOS === 'on' ? 'exactly_once' : 'at_least_once',
    ...(CACHE_MB !== undefined && { cacheBytes: Number(CACHE_MB) * 1024 * 1024 }),
    ...(COMMIT_MS !== undefined && { commitEvery: `${Number(COMMIT_MS)}ms` as const }),
  });
  process.once('SIGTERM', () => void streams.stop().catch(() => undefined));
  const { restoredRecords } = streams.progress().metrics;
  if (restoredRecords > 0)
    process.stdout.write(`RESTORED ${restoredRecords} ${Math.round(performance.now() - began)}\n`);
  process.stdout.write('READY\n');
  await streams.done;
  await broker.close();
}
