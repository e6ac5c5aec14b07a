// `npm run soak:fire`: members of a group that start, stop and freeze at any moment: a thousand histories on the memory broker, fifty of
// processes on a real Kafka (KAFKA_TESTS=0: none), and two thousand stops. The last line is `N passed, N failed`.
import { ensureBuilt } from './ensure-built.mjs';
import { runMocha } from './run-mocha.mjs';

process.env.FIRE_SEEDS ??= '1000';
process.env.FIRE_SEEDS_KAFKA ??= '50';
process.env.STOP_RUNS ??= '2000';
ensureBuilt({ tests: true });
const files = ['integrity/members-under-fire', 'kafka/under-fire', 'runtime/stop'];
const options = ['--timeout', '0', ...files.map((file) => `build/test/${file}.test.js`)];
const { passed, failed, why } = await runMocha(options, process.stdout);
if (why) console.log(why);
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;
