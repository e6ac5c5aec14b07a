import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { inspect } from 'node:util';
import type { KafkaOptions } from '#src/broker/kafkajs/login/options.js';
import { kafkaOptionsFromEnv } from '#src/broker/kafkajs/login/properties.js';
import { resolveSecurity } from '#src/broker/kafkajs/login/security.js';
import { isStreamsError } from '#src/model/errors.js';
import { Secret } from '#src/model/text/secret.js';
import { systemClock } from '#src/runtime/config/system.js';
import { openBroker } from '#src/runtime/open-broker.js';
import { temporaryDirectory } from '../../../support/project.js';

const MARKER = 'swordfish';

/** CONFIG_INVALID that says all of this, and no secret. */
const invalid =
  (...texts: readonly RegExp[]) =>
  (error: unknown) => {
    assert.ok(isStreamsError(error), String(error));
    assert.equal(error.code, 'CONFIG_INVALID');
    for (const text of texts) assert.match(error.message, text);
    assert.ok(!inspect(error, { depth: 9, showHidden: true }).includes(MARKER));
    return true;
  };

describe('Kafka options', () => {
  const resolve = (options: object) => resolveSecurity(options as KafkaOptions, systemClock);

  it('that cannot work are refused all at once, before a broker is asked', async () => {
    const options = {
      tls: { ca: { file: '/nowhere/ca.pem' }, certificate: 'text', passphrase: MARKER },
      sasl: { mechanism: 'scram-sha-256', username: 'ada' } as never,
    };
    await assert.rejects(
      openBroker('kafka://127.0.0.1:1', { kafka: options }),
      invalid(
        /ca file \/nowhere\/ca\.pem that cannot be read \(ENOENT\)/,
        /certificate that is not PEM/,
        /certificate without its key/,
        /passphrase without a key/,
        /no password for scram-sha-256/,
      ),
    );
  });

  const wrong: readonly [string, object, RegExp][] = [
    ['an unknown mechanism', { sasl: { mechanism: 'gssapi' } }, /"gssapi", which is none of plain, scram-sha-256/],
    ['no username', { sasl: { mechanism: 'plain', password: MARKER } }, /no username for plain/],
    ['an empty password', { sasl: { mechanism: 'plain', username: 'a', password: '' } }, /no password for plain/],
    ['a password for tokens', { sasl: { mechanism: 'oauthbearer', username: 'a', password: MARKER } }, /takes tokens/],
    [
      'nothing to get a token by',
      { sasl: { mechanism: 'oauthbearer' } },
      /no token endpoint.*no client id.*no client secret/,
    ],
    [
      'a token endpoint that is no address',
      { sasl: { mechanism: 'oauthbearer', tokenEndpoint: 'auth', clientId: 'a', clientSecret: MARKER } },
      /token endpoint that is no http or https address/,
    ],
    ['a key without its certificate', { tls: { key: pemKey() } }, /key without its certificate/],
    [
      'a certificate that is none',
      { tls: { ca: '-----BEGIN CERTIFICATE-----\nAA\n-----END CERTIFICATE-----' } },
      /ca with a certificate that cannot be read/,
    ],
  ];
  for (const [what, options, text] of wrong) {
    it(`with ${what} are CONFIG_INVALID`, () => {
      assert.throws(() => resolve(options), invalid(text));
    });
  }

  it('check certificates whatever the environment says', () => {
    const { tls } = resolve({ tls: true });
    assert.equal(tls?.rejectUnauthorized, true);
    assert.equal(tls.checkServerIdentity, undefined);
    assert.equal(resolve({ tls: { checkServerName: false } }).tls?.rejectUnauthorized, true);
  });

  it('are for addresses of Kafka only', async () => {
    await assert.rejects(openBroker('embedded:x', { kafka: {} }), invalid(/"embedded:x"/));
  });

  it('hold secrets that are not printed', () => {
    const secret = new Secret(MARKER);
    assert.equal(secret.reveal(), MARKER);
    const options = { password: secret };
    for (const text of [inspect(options, { showHidden: true }), JSON.stringify(options), `${secret}`])
      assert.ok(!text.includes(MARKER), text);
  });
});

describe('Kafka options from a file and the environment', () => {
  function file(...lines: readonly string[]): string {
    const path = join(temporaryDirectory(), 'client.properties');
    writeFileSync(path, lines.join('\n'));
    return path;
  }

  it('have the names of librdkafka', () => {
    const path = file(
      '# who we are',
      'client.id=payments',
      'security.protocol=SASL_SSL',
      '',
      ' sasl.mechanisms = scram-sha-512 ',
      'sasl.username=ada',
      `sasl.password=${MARKER}=#1`,
      'ssl.ca.location=/ca.pem',
      'ssl.endpoint.identification.algorithm=none',
    );
    const options = kafkaOptionsFromEnv({}, { file: path });
    assert.ok(!inspect(options, { depth: 9, showHidden: true }).includes(MARKER));
    const { sasl, ...others } = options as KafkaOptions & { sasl: { password: Secret } };
    assert.deepEqual(others, { clientId: 'payments', tls: { ca: { file: '/ca.pem' }, checkServerName: false } });
    const { password, ...login } = sasl;
    assert.deepEqual(login, { mechanism: 'scram-sha-512', username: 'ada' });
    assert.equal(password.reveal(), `${MARKER}=#1`);
  });

  it('come from the file that MILLRACE_KAFKA_CONFIG names, and the environment overrides it', () => {
    const lines = ['security.protocol=SASL_PLAINTEXT', 'sasl.mechanism=PLAIN', 'sasl.username=ada', 'sasl.password=a'];
    const env = {
      MILLRACE_KAFKA_CONFIG: file(...lines),
      KAFKA_SECURITY_PROTOCOL: 'sasl_ssl',
      KAFKA_SASL_PASSWORD: MARKER,
      KAFKA_HEAP_OPTS: 'not for us',
      KAFKA_CLIENT_ID: '',
    };
    const options = kafkaOptionsFromEnv(env) as { tls: object; sasl: { username: string; password: Secret } };
    assert.deepEqual(options.tls, {});
    assert.equal(options.sasl.username, 'ada');
    assert.equal(options.sasl.password.reveal(), MARKER);
  });

  it('get a token for client credentials', () => {
    const options = kafkaOptionsFromEnv({
      KAFKA_SECURITY_PROTOCOL: 'SASL_SSL',
      KAFKA_SASL_MECHANISM: 'OAUTHBEARER',
      KAFKA_SASL_OAUTHBEARER_METHOD: 'oidc',
      KAFKA_SASL_OAUTHBEARER_CLIENT_ID: 'ada',
      KAFKA_SASL_OAUTHBEARER_CLIENT_SECRET: MARKER,
      KAFKA_SASL_OAUTHBEARER_SCOPE: 'kafka',
      KAFKA_SASL_OAUTHBEARER_TOKEN_ENDPOINT_URL: 'https://login.example/token',
    });
    const { clientSecret, ...others } = options.sasl as unknown as { clientSecret: Secret };
    assert.equal(clientSecret.reveal(), MARKER);
    assert.deepEqual(others, {
      mechanism: 'oauthbearer',
      clientId: 'ada',
      scope: 'kafka',
      tokenEndpoint: 'https://login.example/token',
    });
  });

  it('are empty if the environment is', () => {
    assert.deepEqual(kafkaOptionsFromEnv({}), {});
  });

  const wrong: readonly [string, readonly string[], readonly RegExp[]][] = [
    [
      'an unknown name',
      ['sasl.pasword=swordfish'],
      [/line 1 has the unknown name "sasl\.pasword" \(write sasl\.password\)/],
    ],
    ['a name of the Java client', ['sasl.jaas.config=swordfish'], [/write sasl\.username and sasl\.password/]],
    ['a name like none that is known', ['x=1'], [/known are client\.id, /]],
    ['the name of a method of every object', ['toString=1'], [/unknown name "toString"/]],
    ['a line that is none', ['', MARKER], [/line 2 is not name=value/]],
    ['a name without a value', ['client.id='], [/client\.id in line 1 has no value/]],
    ['an unknown protocol', ['security.protocol=TLS'], [/security\.protocol in line 1 is none of PLAINTEXT, SSL/]],
    ['a login that is not used', ['sasl.password=swordfish'], [/sasl.… is set, but the security\.protocol PLAINTEXT/]],
    ['a certificate that is not used', ['ssl.ca.location=a'], [/ssl.… is set, but the security\.protocol PLAINTEXT/]],
    ['no mechanism', ['security.protocol=SASL_SSL'], [/no sasl\.mechanism \(one of PLAIN/]],
    [
      'what another mechanism uses',
      ['security.protocol=SASL_SSL', 'sasl.mechanism=PLAIN', 'sasl.oauthbearer.scope=a'],
      [/sasl\.oauthbearer.… is not used by PLAIN/],
    ],
    [
      'a password for a token',
      ['security.protocol=SASL_SSL', 'sasl.mechanism=OAUTHBEARER', 'sasl.password=swordfish'],
      [/are not used by OAUTHBEARER/],
    ],
    [
      'several mistakes',
      ['security.protocol=TLS', 'nonsense', 'client.id='],
      [/line 1 is none of.*; line 2.*; client\.id/],
    ],
  ];
  for (const [what, lines, texts] of wrong) {
    it(`with ${what} are CONFIG_INVALID, which shows no value`, () => {
      assert.throws(() => kafkaOptionsFromEnv({}, { file: file(...lines) }), invalid(...texts));
    });
  }

  it('from a file that cannot be read, or a variable with a wrong value, are CONFIG_INVALID', () => {
    const env = { KAFKA_SASL_MECHANISM: MARKER, MILLRACE_KAFKA_CONFIG: '/nowhere/client.properties' };
    assert.throws(
      () => kafkaOptionsFromEnv(env),
      invalid(/\/nowhere\/client\.properties/, /cannot be read \(ENOENT\)/, /KAFKA_SASL_MECHANISM is none of PLAIN/),
    );
  });
});

function pemKey(): string {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
}
