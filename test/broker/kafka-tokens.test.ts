import assert from 'node:assert/strict';
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { inspect } from 'node:util';
import { TokenEndpointError } from '#src/broker/kafkajs/errors.js';
import { cachedToken, clientCredentials, tokenOf } from '#src/broker/kafkajs/oauth.js';
import { isStreamsError } from '#src/model/errors.js';
import { asSecret, Secret } from '#src/model/secret.js';
import { ManualClock } from '#src/testing/manual-clock.js';

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

  it('that do not say how long they are good are used once, and a failure is not kept', async () => {
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
