import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import { kafkaOptionsFromEnv } from '#src/broker/kafkajs/login/properties.js';
import { withoutLogin } from '#src/model/text/secret.js';
import { systemClock } from '#src/runtime/config/system.js';
import { openBroker } from '#src/runtime/open-broker.js';
import { openRegistry } from '#src/serdes/registry/open.js';
import { useProjects } from '../cli/support.js';

const MARKER = 'swordfish';

/** Addresses with a login in them, as somebody may write them who thinks of databases or of other clients. */
const BROKERS = [
  `kafka://ada:${MARKER}@localhost:9092`,
  `kafka:ada:${MARKER}@localhost:9092`,
  `kafkas://ada:${MARKER}@localhost:9092`,
  `KAFKA://ada:${MARKER}@localhost:9092`,
  `SASL_SSL://ada:${MARKER}@localhost:9092`,
  `ada:${MARKER}@localhost:9092`,
  `kafka://h:1,ada:${MARKER}@localhost:9092`,
  `kafka://ada:${MARKER}@h:1,localhost:9092`,
  `kafka://ada:${MARKER}@ss@localhost:9092`,
  `kafka://ada:${MARKER}/x@localhost:9092`,
  `kafka://ada:${MARKER}%40localhost:9092`,
  `kafka://ada:${MARKER}`,
  `kafka:ada:${MARKER}`,
  `kafka://localhost:9092?sasl.password=${MARKER}`,
  `kafkas://localhost:9092?sasl.password=${MARKER}`,
];

/** Whatever of it somebody prints: the message, the stack, all fields, what caused it. */
const printed = (error: unknown): string =>
  `${error} ${inspect(error, { depth: 9, showHidden: true })} ${JSON.stringify(error)}`;

const assertHidden = (text: string): void => assert.ok(!text.includes(MARKER), text);

describe('an error', () => {
  it('shows no login that stands in an address', async () => {
    const asked = await Promise.allSettled([
      ...BROKERS.map((address) => openBroker(address)),
      openBroker(`embedded:x`, { kafka: {} }),
      openRegistry(`ada:${MARKER}@localhost:8081`, {}, systemClock),
      openRegistry(`ada:${MARKER}@localhost`, {}, systemClock),
      openRegistry(`file://ada:${MARKER}@localhost`, {}, systemClock),
      openRegistry(`//ada:${MARKER}@localhost:8081`, {}, systemClock),
      openRegistry(`http:/ada:${MARKER}@localhost`, {}, systemClock),
      openRegistry(`http://ada:${MARKER}@localhost:99999`, {}, systemClock),
      openRegistry(`http://ada:${MARKER}@localhost:1,ftp://x`, {}, systemClock),
      openRegistry(`http://ada:${MARKER}%zz@localhost:8081`, {}, systemClock),
      openRegistry(`ftp://ada:${MARKER}@localhost:8081`, {}, systemClock),
    ]);
    for (const one of asked) {
      assert.equal(one.status, 'rejected');
      assertHidden(printed(one.reason));
    }
    assert.equal(withoutLogin(`kafka://ada:${MARKER}@localhost:9092`), 'kafka://…@localhost:9092');
    assert.equal(withoutLogin('embedded:.millrace/broker'), 'embedded:.millrace/broker');
  });

  it('refuses a token endpoint with a login in its address, which it does not show', async () => {
    const tokenEndpoint = `http://ada:${MARKER}@localhost:1/token`;
    const kafka = { sasl: { mechanism: 'oauthbearer', tokenEndpoint, clientId: 'c', clientSecret: 's' } } as const;
    await assert.rejects(openBroker('kafka://localhost:1', { kafka }), (error: Error) => {
      assert.match(error.message, /a token endpoint with a login in its address/);
      assertHidden(printed(error));
      return true;
    });
    const env = {
      KAFKA_SECURITY_PROTOCOL: 'SASL_SSL',
      KAFKA_SASL_MECHANISM: 'OAUTHBEARER',
      KAFKA_SASL_OAUTHBEARER_TOKEN_ENDPOINT_URL: tokenEndpoint,
    };
    assert.throws(
      () => kafkaOptionsFromEnv(env),
      (error: Error) => {
        assert.match(error.message, /the addresses without a login/);
        assertHidden(printed(error));
        return true;
      },
    );
  });
});

describe('the command line', () => {
  const project = useProjects({ inShell: true });

  it('shows no login of an address, whatever command it is given to, and however the option is mistyped', async () => {
    const here = project('esm-project');
    const commands = [
      'consume x',
      'produce x',
      'run src/topology.ts',
      'reset src/topology.ts',
      'replay src/topology.ts',
    ];
    for (const [i, address] of BROKERS.entries()) {
      for (const option of ['--broker=', '--brokr=', '--broker ', '--schema-registy=', '--format=']) {
        const command = commands[i % commands.length] as string;
        const { code, stdout, stderr } = await here.millrace(`${command} ${option}${address} --verbose`);
        assert.notEqual(code, 0);
        assertHidden(stdout + stderr);
      }
    }
    for (const command of ['consume', 'run', 'describe', 'schema check', 'state get src/topology.ts --store'])
      assertHidden((await here.millrace(`${command} ${BROKERS[0]} --verbose`)).stderr);
  });
});
