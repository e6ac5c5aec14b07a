import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { inspect } from 'node:util';
import { openKafkaBroker } from '#src/broker/kafkajs/broker.js';
import type { KafkaOptions, KafkaSasl, KafkaTls } from '#src/broker/kafkajs/login/options.js';
import type { Broker } from '#src/broker/port.js';
import { isStreamsError } from '#src/model/errors.js';
import type { Logger } from '#src/model/ports.js';
import { systemClock } from '#src/runtime/config/system.js';
import { numbered, unique, valueText } from '../../broker/contract.support.js';
import { PASSPHRASE } from '../../support/certificates.js';
import { MARKER, password, type SecureKafka, startSecureKafka, unsignedToken } from '../support/secure-cluster.js';
import { describeWithKafkaJars } from '../support/suites.js';

describeWithKafkaJars('a cluster that asks for logins', () => {
  let kafka: SecureKafka;
  let tokens: TokenServer;
  before(async function () {
    this.timeout(200_000);
    kafka = await startSecureKafka();
    tokens = await startTokenServer();
  });
  after(async () => {
    tokens?.server.close();
    await kafka?.stop();
  });

  let printed: string;
  beforeEach(() => {
    printed = '';
  });
  /** Whatever a test has logged or caught holds no secret. */
  afterEach(() => assert.ok(!printed.includes(MARKER), printed));
  const print = (fields: object, message: string): void => {
    printed += `${inspect(fields, { depth: 9 })} ${message}\n`;
  };
  const logger: Logger = { debug: print, info: print, warn: print, error: print };

  const open = async (address: string, options: KafkaOptions): Promise<Broker> => {
    const broker = await openKafkaBroker({ ...options, brokers: [address], clock: systemClock, logger });
    printed += inspect(broker, { depth: 9, showHidden: true });
    return broker;
  };

  /** Writes and reads over connections of every kind. */
  async function works(address: string, options: KafkaOptions): Promise<void> {
    const broker = await open(address, options);
    const topic = unique('secured');
    await broker.admin.createTopics([{ name: topic, partitions: 1 }]);
    const writer = await broker.createWriter({ transactionalId: unique('id') });
    await writer.begin();
    await writer.write(numbered(topic, 3));
    await writer.commit();
    const reader = await broker.createReader();
    reader.seek({ topic, partition: 0, offset: 0 });
    const [batch] = await reader.poll({ maxRecords: 10, maxWaitMs: 10_000 });
    assert.deepEqual(batch?.records.map(valueText), ['0', '1', '2']);
    await broker.close();
  }

  /** Fails at once, saying that, and no secret. */
  async function fails(
    address: string,
    options: KafkaOptions,
    code: string,
    ...texts: readonly RegExp[]
  ): Promise<void> {
    await assert.rejects(open(address, options), (error: unknown) => {
      assert.ok(isStreamsError(error), String(error));
      printed += inspect(error, { depth: 9, showHidden: true });
      assert.equal(error.code, code, error.message);
      for (const text of texts) assert.match(error.message, text);
      return true;
    });
  }

  const ca = (): KafkaTls => ({ ca: { file: kafka.certificates.authority } });
  const client = (): KafkaTls => ({
    ...ca(),
    certificate: { file: kafka.certificates.clientCertificate },
    key: { file: kafka.certificates.clientKey },
  });
  const alice = (mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512', secret = password('alice')): KafkaSasl => ({
    mechanism,
    username: 'alice',
    password: secret,
  });

  for (const mechanism of ['scram-sha-256', 'scram-sha-512', 'plain'] as const) {
    it(`accepts a password: ${mechanism}, with TLS and without`, async () => {
      await works(kafka.saslTls, { tls: ca(), sasl: alice(mechanism) });
      await works(kafka.sasl, { sasl: alice(mechanism) });
    });

    it(`refuses another password at once: ${mechanism}`, async () => {
      const sasl = alice(mechanism, `${MARKER}, but another`);
      const begin = performance.now();
      await fails(kafka.saslTls, { tls: ca(), sasl }, 'BROKER_UNAUTHENTICATED', /alice/, new RegExp(mechanism, 'i'));
      assert.ok(performance.now() - begin < 3_000);
    });
  }

  it('accepts a token of a function: oauthbearer', async () => {
    const token = async () => ({ value: unsignedToken('alice'), expiresAt: Date.now() + 60_000 });
    await works(kafka.saslTls, { tls: ca(), sasl: { mechanism: 'oauthbearer', token } });
  });

  it('refuses an invalid token at once: oauthbearer', async () => {
    const token = async () => ({ value: `${MARKER}.is.none` });
    const sasl: KafkaSasl = { mechanism: 'oauthbearer', token };
    await fails(kafka.saslTls, { tls: ca(), sasl }, 'BROKER_UNAUTHENTICATED', /OAUTHBEARER/, /invalid_token/);
  });

  it('accepts a token for a client id, which is asked for only once: oauthbearer', async () => {
    const sasl: KafkaSasl = {
      mechanism: 'oauthbearer',
      tokenEndpoint: tokens.url,
      clientId: 'alice',
      clientSecret: password('client'),
      scope: 'kafka',
    };
    const before = tokens.asked;
    await works(kafka.saslTls, { tls: ca(), sasl });
    assert.equal(tokens.asked, before + 1);
  });

  it('refuses a client whose secret the token endpoint refuses', async () => {
    const sasl: KafkaSasl = {
      mechanism: 'oauthbearer',
      tokenEndpoint: tokens.url,
      clientId: 'alice',
      clientSecret: `${MARKER}, but another`,
    };
    const texts = [/status 401 \(invalid_client\)/, /client alice/, new RegExp(tokens.url)];
    await fails(kafka.saslTls, { tls: ca(), sasl }, 'BROKER_UNAUTHENTICATED', ...texts);
  });

  it('accepts a certificate, with a key that is encrypted or not', async () => {
    await works(kafka.tls, { tls: client() });
    const key = { file: kafka.certificates.encryptedKey };
    await works(kafka.tls, { tls: { ...client(), key, passphrase: PASSPHRASE } });
    const wrong = { ...client(), key, passphrase: `${MARKER}, but another` };
    await fails(kafka.tls, { tls: wrong }, 'CONFIG_INVALID', /passphrase is wrong or missing/);
  });

  it('refuses a client without a certificate where it asks for one', async () => {
    await fails(
      kafka.tls,
      { tls: ca() },
      'BROKER_UNAUTHENTICATED',
      /refused this client's certificate/,
      /ssl\.key\.location/,
    );
  });

  it('is not trusted if another authority is, or if its certificate is for another name', async () => {
    const stranger = { ...client(), ca: { file: kafka.certificates.stranger } };
    await fails(kafka.tls, { tls: stranger }, 'BROKER_UNAUTHENTICATED', /no known authority/, /ssl\.ca\.location/);
    const otherName = kafka.tls.replace('localhost', '127.0.0.1');
    await fails(otherName, { tls: client() }, 'BROKER_UNAUTHENTICATED', /127\.0\.0\.1 is not in the cert/);
    await works(otherName, { tls: { ...client(), checkServerName: false } });
  });

  it('that is spoken to in the wrong way fails with what may be the cause', async () => {
    await fails(kafka.plain, { tls: ca() }, 'BROKER_UNAVAILABLE', /may not speak TLS/);
    await fails(kafka.tls, {}, 'BROKER_UNAVAILABLE', /may expect TLS or a login/);
    await fails(kafka.sasl, {}, 'BROKER_UNAVAILABLE', /may expect TLS or a login/);
    await fails(kafka.saslTls, { tls: ca() }, 'BROKER_UNAVAILABLE', /may expect a login/);
    await fails(kafka.plain, { sasl: alice('plain') }, 'BROKER_UNAUTHENTICATED', /takes no login/);
  });
});

interface TokenServer {
  readonly server: Server;
  readonly url: string;
  asked: number;
}

/** A token endpoint that knows one client, `alice`. */
async function startTokenServer(): Promise<TokenServer> {
  const known = `Basic ${Buffer.from(`alice:${password('client')}`).toString('base64')}`;
  const server = createServer((request, response) => {
    started.asked++;
    const isKnown = request.headers.authorization === known;
    response.writeHead(isKnown ? 200 : 401, { 'content-type': 'application/json' });
    const refusal = { error: 'invalid_client', error_description: `no client with ${request.headers.authorization}` };
    response.end(JSON.stringify(isKnown ? { access_token: unsignedToken('alice'), expires_in: 3600 } : refusal));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const started = { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/token`, asked: 0 };
  return started;
}
