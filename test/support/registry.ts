import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { freePort, javaMissing, run, START_HOOK_LIMIT_MS, START_LIMIT_MS } from '../kafka/support/jars.js';

/**
 * A schema registry that others wrote (Apicurio Registry, which speaks Confluent's protocol), started once for the whole run when the first test needs it: needs a JDK, and Maven the first time. REGISTRY_URL names one that runs already and allows anything to
 * be registered. KAFKA_TESTS means what it means for Kafka.
 */
const VERSION = process.env.REGISTRY_VERSION ?? '2.6.13.Final';
const HOME = process.env.REGISTRY_HOME_DIR ?? join(homedir(), '.cache', `apicurio-registry-${VERSION}`);

async function missing(): Promise<string | undefined> {
  if (process.env.KAFKA_TESTS === '0') return 'KAFKA_TESTS=0';
  if (process.env.REGISTRY_URL) return undefined;
  const java = await javaMissing();
  if (java || existsSync(join(HOME, '.complete'))) return java;
  const maven = await run('mvn', ['-version'], { timeout: 20_000 }).catch(() => undefined);
  return maven ? undefined : `neither Apicurio Registry ${VERSION} in ${HOME} nor Maven to fetch it`;
}

const why = await missing();
let started: Promise<{ readonly url: string; stop(): Promise<void> }> | undefined;

async function startRegistry(): Promise<{ readonly url: string; stop(): Promise<void> }> {
  if (process.env.REGISTRY_URL) return { url: process.env.REGISTRY_URL, stop: async () => undefined };
  const env = {
    ...process.env,
    REGISTRY_PORT: String(await freePort()),
    REGISTRY_VERSION: VERSION,
    OWNER: String(process.pid),
  };
  const { stdout } = await run('scripts/kafka/registry-up.sh', { env, timeout: START_LIMIT_MS });
  return {
    url: stdout.trim(),
    stop: async () => {
      await run('scripts/kafka/registry-down.sh', { env });
    },
  };
}

after('stop the schema registry', async () => {
  await (await started)?.stop();
});

/** A suite that needs that registry, which all of them share: use subjects of your own. Its title begins with `Kafka: `, by which `npm run test:kafka` finds it. */
export function describeWithRegistry(title: string, suite: (url: () => string) => void): void {
  if (why !== undefined && process.env.KAFKA_TESTS !== 'require') return;
  describe(`Kafka: ${title}`, () => {
    if (why !== undefined) {
      it('is there', () => {
        throw new Error(`KAFKA_TESTS=require, but there is ${why}.`);
      });
      return;
    }
    let url = '';
    before('start the schema registry', async function () {
      this.timeout(START_HOOK_LIMIT_MS);
      started ??= startRegistry();
      ({ url } = await started);
    });
    suite(() => url);
  });
}
