// `npm run soak:fire`: members of a group that start, stop and freeze at any moment: a thousand histories on the memory broker, fifty of
// processes on a real Kafka (KAFKA_TESTS=0: none), and two thousand stops. The last line is `N passed, N failed`.
import { existsSync } from 'node:fs';
import { ensureBuilt } from './ensure-built.mjs';
import { runMocha } from './run-mocha.mjs';

process.env.FIRE_SEEDS ??= '1000';
process.env.FIRE_SEEDS_KAFKA ??= '50';
process.env.STOP_RUNS ??= '2000';
ensureBuilt({ tests: true });
const names = ['integrity/members-under-fire', 'kafka/under-fire', 'runtime/engine/stop'];
const files = names.map((name) => `build/test/${name}.test.js`);
const missing = files.filter((file) => !existsSync(file));
if (missing.length > 0) throw new Error(`there is no ${missing.join(', ')}`);
const options = ['--timeout', '0', ...files];
const { passed, failed, why } = await runMocha(options, process.stdout);
if (why) console.log(why);
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;
