import assert from 'node:assert/strict';
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { inspect } from 'node:util';
import { cachedToken, clientCredentials, tokenOf } from '#src/broker/kafkajs/login/oauth.js';
import { TokenEndpointError } from '#src/broker/kafkajs/wire/errors.js';
import { isStreamsError } from '#src/model/errors.js';
import { asSecret, Secret } from '#src/model/text/secret.js';
import { ManualClock } from '#src/testing/manual-clock.js';
import { isError } from '../../../support/errors.js';

const MARKER = 'swordfish';

describe('tokens', () => {
  it('are used again for four fifths of their life, and fetched once for all that wait', async () => {
    const clock = new ManualClock();
    let fetched = 0;
    const token = cachedToken(clock, async () => ({ value: `token ${++fetched}`, expiresAt: clock.now() + 1_000 }));
    const values = await Promise.all([token(), token()]);
    assert.deepEqual(
      values.map(({ value }) => value),
      ['token 1', 'token 1'],
    );
    await clock.advance(799);
    assert.equal((await token()).value, 'token 1');
    await clock.advance(1);
    assert.equal((await token()).value, 'token 2');
  });

  it('without a lifetime are used once, and a failure is not kept', async () => {
    const clock = new ManualClock();
    let fetched = 0;
    const token = cachedToken(clock, async () => {
      if (++fetched === 2) throw new Error('not now');
      return { value: `token ${fetched}` };
    });
    assert.equal((await token()).value, 'token 1');
    await assert.rejects(token(), /not now/);
    assert.equal((await token()).value, 'token 3');
  });

  it('are used to their end where no new one can be had, which is asked for again after five seconds', async () => {
    const clock = new ManualClock();
    let fetched = 0;
    const token = cachedToken(clock, async () => {
      if (++fetched > 1) throw new TokenEndpointError('status 503');
      return { value: 'first', expiresAt: clock.now() + 100_000 };
    });
    await token();
    await clock.advance(80_000);
    assert.equal((await token()).value, 'first');
    assert.equal((await token()).value, 'first');
    assert.equal(fetched, 2, 'it was asked for again at once');
    await clock.advance(5_000);
    assert.equal((await token()).value, 'first');
    assert.equal(fetched, 3);
    await clock.advance(15_000);
    await assert.rejects(token(), /status 503/);
  });

  it('of a function that gives none are BROKER_UNAUTHENTICATED', async () => {
    const isRefused = (error: unknown): boolean => isStreamsError(error) && error.code === 'BROKER_UNAUTHENTICATED';
    await assert.rejects(
      tokenOf(async () => ({}) as never),
      isRefused,
    );
    await assert.rejects(
      tokenOf(async () => {
        throw new Error('no vault');
      }),
      (error: unknown) => isRefused(error) && /no vault/.test(String(error)),
    );
  });
});

describe('a token endpoint', () => {
  const servers: Server[] = [];
  afterEach(() => {
    for (const server of servers.splice(0)) server.closeAllConnections();
  });

  /** The address of a server that answers so. */
  async function endpoint(listener: RequestListener): Promise<string> {
    const server = createServer(listener);
    servers.push(server);
    server.unref();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}/token?tenant=${MARKER}`;
  }
  const credentials = (url: string) => ({
    endpoint: url,
    clientId: 'a:da',
    clientSecret: new Secret(`${MARKER} %`),
    scope: 'kafka read',
  });
  const answer = (status: number, body: object) => (_: IncomingMessage, response: { writeHead: any; end: any }) => {
    response.writeHead(status);
    response.end(JSON.stringify(body));
  };

  it('is asked as RFC 6749 says, and its token lives as long as it says', async () => {
    let asked = '';
    const url = await endpoint((request, response) => {
      const { method, headers } = request;
      request.on('data', (chunk) => {
        asked += `${method} ${headers.authorization} ${chunk}`;
      });
      request.on('end', () => answer(200, { access_token: 'abc', expires_in: 60 })(request, response));
    });
    const clock = new ManualClock();
    const { value, expiresAt } = await clientCredentials(clock, credentials(url));
    assert.equal(asSecret(value).reveal(), 'abc');
    assert.equal(expiresAt, clock.now() + 60_000);
    const login = Buffer.from(`a%3Ada:${MARKER}%20%25`).toString('base64');
    assert.equal(asked, `POST Basic ${login} grant_type=client_credentials&scope=kafka+read`);
  });

  const refusals: readonly [string, number, object, RegExp][] = [
    [
      'refuses',
      401,
      { error: 'invalid_client', error_description: MARKER },
      /status 401 \(invalid_client\), .*client a:da and scope kafka read/,
    ],
    ['refuses with words of its own', 400, { error: `no ${MARKER}` }, /status 400,/],
    ['answers without a token', 200, { token: MARKER }, /without access_token/],
  ];
  for (const [what, status, body, text] of refusals) {
    it(`that ${what} is BROKER_UNAUTHENTICATED, which repeats nothing secret`, async () => {
      const url = await endpoint(answer(status, body));
      await assert.rejects(clientCredentials(new ManualClock(), credentials(url)), (error: unknown) => {
        assert.ok(isStreamsError(error));
        assert.equal(error.code, 'BROKER_UNAUTHENTICATED');
        assert.match(error.message, text);
        assert.ok(!inspect(error, { depth: 9 }).includes(MARKER), error.message);
        return true;
      });
    });
  }

  for (const status of [408, 429, 500, 503]) {
    it(`that answers ${status} is away, as one that does not answer`, async () => {
      const url = await endpoint(answer(status, {}));
      await assert.rejects(clientCredentials(new ManualClock(), credentials(url)), TokenEndpointError);
    });
  }

  it('whose answer is none (no JSON, null, or endless) counts as away', async () => {
    const bodies = ['<html>', 'null', ' '.repeat(2 * 1024 * 1024)];
    for (const body of bodies) {
      const url = await endpoint((_, response) => void response.end(body));
      await assert.rejects(clientCredentials(new ManualClock(), credentials(url)), TokenEndpointError);
    }
  });

  it('that redirects is not followed', async () => {
    const elsewhere = await endpoint(answer(200, { access_token: 'of another host' }));
    const url = await endpoint((_, response) => {
      response.writeHead(307, { location: elsewhere });
      response.end();
    });
    await assert.rejects(
      clientCredentials(new ManualClock(), credentials(url)),
      isError('BROKER_UNAUTHENTICATED', /307/),
    );
  });

  it('may say the life of its token as text', async () => {
    const clock = new ManualClock();
    const url = await endpoint(answer(200, { access_token: 'abc', expires_in: '3600' }));
    assert.equal((await clientCredentials(clock, credentials(url))).expiresAt, clock.now() + 3_600_000);
  });

  it('is given the secret of now', async () => {
    const asked: (string | undefined)[] = [];
    const url = await endpoint((request, response) => {
      asked.push(request.headers.authorization);
      answer(200, { access_token: 'abc' })(request, response);
    });
    let secret = 'old';
    const rotated = { ...credentials(url), clientSecret: new Secret(() => secret) };
    await clientCredentials(new ManualClock(), rotated);
    secret = 'new';
    await clientCredentials(new ManualClock(), rotated);
    assert.deepEqual(
      asked.map((login) => Buffer.from(login?.slice('Basic '.length) ?? '', 'base64').toString()),
      ['a%3Ada:old', 'a%3Ada:new'],
    );
  });

  it('that does not answer in 10 s is given up, and is tried again as a broker is', async () => {
    const clock = new ManualClock();
    let heard = (): void => undefined;
    const connected = new Promise<void>((resolve) => {
      heard = resolve;
    });
    const url = await endpoint(() => heard());
    const asking = clientCredentials(clock, credentials(url));
    const failed = assert.rejects(asking, (error: unknown) => {
      assert.ok(error instanceof TokenEndpointError);
      assert.match(error.message, /no answer in 10 s/);
      assert.ok(!error.message.includes(MARKER));
      return true;
    });
    await connected;
    await clock.advance(10_000);
    await failed;
  });
});
