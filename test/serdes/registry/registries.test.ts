import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { ManualClock } from 'millrace/testing';
import { Secret } from '#src/model/text/secret.js';
import { systemClock } from '#src/runtime/config/system.js';
import { FileRegistry } from '#src/serdes/registry/file.js';
import { MemoryRegistry } from '#src/serdes/registry/memory.js';
import { openRegistry, type RegistryOptions, registryFromEnv } from '#src/serdes/registry/open.js';
import type { SchemaRegistry } from '#src/serdes/registry/port.js';
import { isError } from '../../support/errors.js';
import { temporaryDirectory } from '../../support/project.js';
import { deadPort, type Fault, RegistryServer } from '../../support/registry-server.js';
import { order, registryContract, source } from './contract.js';

const plainNames = (name: string): string => name;
let server: RegistryServer;

afterEach(() => server?.stop());

registryContract('in memory', async () => ({ registry: new MemoryRegistry(), subject: plainNames }));

registryContract('a directory', async () => ({
  registry: await openRegistry(temporaryDirectory(), {}, systemClock),
  subject: plainNames,
}));

registryContract('by HTTP', async () => {
  server = await RegistryServer.start();
  return { registry: await openRegistry(server.url, {}, systemClock), subject: plainNames };
});

describe('a registry in a directory', () => {
  it('is the same when it is opened again, in a file that people can read', async () => {
    const directory = temporaryDirectory();
    const registry = await FileRegistry.open(directory);
    const id = await registry.register('orders-value', source(order()));
    assert.equal((await (await FileRegistry.open(directory)).version('orders-value', 1)).id, id);
    const index = JSON.parse(readFileSync(join(directory, 'index.json'), 'utf8'));
    assert.deepEqual(index, {
      format: 1,
      compatibility: 'BACKWARD',
      subjects: { 'orders-value': { versions: [{ id, schema: order() }] } },
    });
  });

  it('gives a schema the id that it has in every directory', async () => {
    const ids = await Promise.all(
      [temporaryDirectory(), temporaryDirectory()].map(async (directory) =>
        (await FileRegistry.open(directory)).register('x', source(order())),
      ),
    );
    assert.equal(ids[0], ids[1]);
    assert.equal(ids[0], await new MemoryRegistry().register('y', source({ ...order(), doc: 'Said otherwise.' })));
  });

  it('sees what another process has added', async () => {
    const directory = temporaryDirectory();
    const [one, two] = [await FileRegistry.open(directory), await FileRegistry.open(directory)];
    const id = await one.register('a', source(order()));
    assert.equal((await two.byId(id)).schema, JSON.stringify(order()));
    await two.register('b', source(order()));
    await one.register('c', source(order()));
    assert.equal((await two.version('a', 'latest')).version, 1);
    await one.register('a', source(order({ name: 'cents', type: 'long', default: 0 })));
    assert.equal((await two.version('a', 'latest')).version, 2);
    assert.deepEqual(await (await FileRegistry.open(directory)).subjects(), ['a', 'b', 'c']);
  });

  it('takes the bare name of a primitive type, as others do', async () => {
    const directory = temporaryDirectory();
    const bare = { schema: 'string', references: [] };
    const id = await (await FileRegistry.open(directory)).register('names-key', bare);
    assert.equal((await (await FileRegistry.open(directory)).lookup('names-key', source('string')))?.id, id);
    assert.equal(await new MemoryRegistry().register('names-key', bare), id);
  });

  it('registers many at once without losing one', async () => {
    const directory = temporaryDirectory();
    const registry = await FileRegistry.open(directory);
    const names = Array.from({ length: 20 }, (_, i) => `subject-${i}`);
    await Promise.all(names.map((name) => registry.register(name, source(order()))));
    assert.deepEqual(await (await FileRegistry.open(directory)).subjects(), names.toSorted());
  });

  it('obeys the compatibility that the index demands of a subject', async () => {
    const directory = temporaryDirectory();
    const subjects = { free: { compatibility: 'NONE', versions: [] } };
    writeFileSync(join(directory, 'index.json'), JSON.stringify({ format: 1, compatibility: 'FULL', subjects }));
    const registry = await FileRegistry.open(directory);
    for (const one of [order(), order({ name: 'needed', type: 'string' })])
      await registry.register('free', source(one));
    assert.deepEqual([await registry.compatibility('free'), await registry.compatibility('other')], ['NONE', 'FULL']);
  });

  it('says what is wrong with an index that is damaged', async () => {
    for (const text of [
      '{',
      '{}',
      '{"format":2}',
      '{"format":1,"compatibility":"SOME","subjects":{}}',
      '{"format":1,"compatibility":"FULL","subjects":{"a":{}}}',
      '{"format":1,"compatibility":"FULL","subjects":{"a":{"versions":[{"id":"x"}]}}}',
    ]) {
      const directory = temporaryDirectory();
      writeFileSync(join(directory, 'index.json'), text);
      await assert.rejects(FileRegistry.open(directory), isError('SCHEMA_INVALID', /cannot read the index/), text);
    }
  });
});

describe('a registry by HTTP', () => {
  /** However busy the machine is, an answer comes in time, and there is time for a second attempt. */
  const open = async (options: RegistryOptions = {}): Promise<SchemaRegistry> =>
    openRegistry(server.url, { retryForMs: 2_000, timeoutMs: 60_000, ...options }, systemClock);
  const SHORT = { timeoutMs: 150 };

  beforeEach(async () => {
    server = await RegistryServer.start();
  });

  it('asks once for what never changes, also when several ask at the same time', async () => {
    const id = await server.registry.register('a', source(order()));
    const registry = await open();
    await Promise.all([registry.byId(id), registry.byId(id), registry.version('a', 1)]);
    await Promise.all([registry.byId(id), registry.version('a', 1), registry.lookup('a', source(order()))]);
    await registry.lookup('a', source(order()));
    assert.deepEqual(server.requests.toSorted(), [
      `GET /schemas/ids/${id}`,
      'GET /subjects/a/versions/1',
      'POST /subjects/a',
    ]);
  });

  it('asks again for the latest, and for what was not there', async () => {
    await server.registry.register('a', source(order()));
    const registry = await open();
    for (let i = 0; i < 2; i++) {
      await registry.version('a', 'latest');
      await registry.lookup('b', source(order()));
    }
    assert.equal(server.requests.length, 4);
  });

  it('asks for an id that is not there again after half a minute only', async () => {
    const clock = new ManualClock();
    const registry = await openRegistry(server.url, {}, clock);
    const id = 5;
    for (const [after, asked] of [
      [0, 1],
      [29_000, 1],
      [2_000, 2],
    ] as const) {
      clock.advance(after);
      await assert.rejects(registry.byId(id), isError('SCHEMA_UNKNOWN'));
      assert.equal(server.requests.length, asked);
    }
  });

  const passing: readonly Fault[] = [
    { status: 500 },
    { status: 503, body: '<html>' },
    { status: 429 },
    { status: 408 },
    'silence',
    'hang up',
  ];
  for (const fault of passing) {
    const name = typeof fault === 'string' ? fault : `status ${fault.status}`;
    it(`tries again after ${name}`, async () => {
      await server.registry.register('a', source(order()));
      server.faults.push(fault, fault);
      const limits = { retryForMs: 60_000, ...(fault === 'silence' && SHORT) };
      assert.equal((await (await open(limits)).version('a', 1)).version, 1);
      // On a busy machine an answer may come after so short a limit.
      if (fault === 'silence') assert.ok(server.requests.length >= 3);
      else assert.equal(server.requests.length, 3);
    });

    it(`gives up after a while of ${name}, saying so`, async () => {
      server.fault = fault;
      const saw =
        typeof fault === 'object'
          ? new RegExp(`status ${fault.status}`)
          : fault === 'silence'
            ? /no answer in 150 ms/
            : /socket hang up/;
      await assert.rejects(
        (await open(fault === 'silence' ? SHORT : {})).byId(1),
        isError('REGISTRY_UNAVAILABLE', saw, /after \d+ attempts/, /GET \/schemas\/ids\/1/),
      );
      assert.ok(server.requests.length >= 2);
    });
  }

  it('goes on with what it knows while the server is away, and with the rest when it is back', async () => {
    const known = await server.registry.register('a', source(order()));
    const other = await server.registry.register('b', source(order({ name: 'n', type: 'int', default: 1 })));
    const registry = await open();
    await registry.byId(known);
    server.fault = { status: 500 };
    await registry.byId(known);
    await assert.rejects(registry.byId(other), isError('REGISTRY_UNAVAILABLE'));
    server.fault = undefined;
    await registry.byId(other);
  });

  for (const status of [401, 403]) {
    it(`does not try again after ${status}, and does not repeat what it logged in with`, async () => {
      server.fault = { status };
      const registry = await open({ basic: { username: 'ada', password: new Secret('open sesame') } });
      await assert.rejects(registry.byId(1), (error: Error) => {
        assert.ok(!/sesame/.test(inspect(error, { depth: 10 })), 'the password is in the error');
        return isError('REGISTRY_UNAUTHORIZED', new RegExp(`status ${status}`), /as the test wants it/)(error);
      });
      assert.equal(server.requests.length, 1);
      assert.ok(!/sesame/.test(inspect(registry, { depth: 10, showHidden: true })));
    });
  }

  it('SCHEMA_INVALID if the server does not take a schema that is looked up', async () => {
    const registry = await open();
    await assert.rejects(
      registry.lookup('a', source({ type: 'no such type' })),
      isError('SCHEMA_INVALID', /status 422/),
    );
  });

  it('takes a 404 of some other server for what it is', async () => {
    for (const body of ['<html>not found</html>', {}, { error_code: 1 }]) {
      server.fault = { status: 404, body };
      await assert.rejects(
        (await open()).byId(1),
        isError('REGISTRY_UNAVAILABLE', /cannot be understood/, /status 404/),
      );
    }
  });

  it('does not take for schemas what is none', async () => {
    for (const body of ['', 'text', '[]', {}, { schema: 5 }, { schema: '"int"', references: 'none' }]) {
      server.fault = { status: 200, body };
      await assert.rejects(
        (await open()).byId(1),
        isError('REGISTRY_UNAVAILABLE', /cannot be understood/),
        JSON.stringify(body),
      );
    }
    for (const body of [{ schema: '"int"' }, { schema: '"int"', id: -1, version: 1 }, { schema: '"int"', id: 1 }]) {
      server.fault = { status: 200, body };
      await assert.rejects(
        (await open()).version('a', 1),
        isError('REGISTRY_UNAVAILABLE', /cannot be understood/),
        JSON.stringify(body),
      );
    }
  });

  it('goes to the next address when one does not answer, and stays there', async () => {
    await server.registry.register('a', source(order()));
    const registry = await openRegistry(
      `http://127.0.0.1:${await deadPort()},${server.url}`,
      { retryForMs: 0 },
      systemClock,
    );
    await registry.version('a', 'latest');
    server.faults.push('hang up');
    await assert.rejects(registry.version('a', 'latest'), isError('REGISTRY_UNAVAILABLE', /after 2 attempts/));
  });

  it('says where it could not connect to', async () => {
    const address = `http://127.0.0.1:${await deadPort()}`;
    const registry = await openRegistry(address, { retryForMs: 0 }, systemClock);
    await assert.rejects(registry.byId(1), isError('REGISTRY_UNAVAILABLE', new RegExp(address), /ECONNREFUSED/));
  });

  it('logs in as its options say, and shows no login', async () => {
    const address = server.url.replace('//', '//ada:p%40ss@');
    const logins: readonly (readonly [string, RegistryOptions, string | undefined])[] = [
      [server.url, {}, undefined],
      [server.url, { basic: { username: 'ada', password: 'p@ss' } }, `Basic ${btoa('ada:p@ss')}`],
      [address, {}, `Basic ${btoa('ada:p@ss')}`],
      [server.url, { bearer: new Secret('token') }, 'Bearer token'],
      [server.url, { bearer: async () => 'fresh' }, 'Bearer fresh'],
      [
        server.url,
        registryFromEnv({ SCHEMA_REGISTRY_BASIC_AUTH_USER_INFO: 'ada:p:ss' }).options,
        `Basic ${btoa('ada:p:ss')}`,
      ],
      [server.url, registryFromEnv({ SCHEMA_REGISTRY_BEARER_AUTH_TOKEN: 't' }).options, 'Bearer t'],
    ];
    for (const [url, options, expected] of logins) {
      const registry = await openRegistry(url, options, systemClock);
      await registry.subjects();
      assert.equal(server.authorizations.at(-1), expected);
      assert.equal(registry.address, server.url);
    }
  });

  it('sends the login of an address to that address alone', async () => {
    const other = await RegistryServer.start();
    try {
      const dead = `http://ada:secret@127.0.0.1:${await deadPort()}`;
      await (await openRegistry(`${dead},${other.url}`, { retryForMs: 0 }, systemClock)).subjects();
      assert.deepEqual(other.authorizations, [undefined]);
    } finally {
      await other.stop();
    }
  });

  it('asks for nothing outside of its paths, whatever a subject or a version is called', async () => {
    const registry = await openRegistry(server.url, { retryForMs: 0 }, systemClock);
    for (const [subject, version] of [
      ['..', 1],
      ['.', 1],
      ['', 1],
      ['s', '1/../../../config' as never],
      ['s', -1],
    ] as const)
      await assert.rejects(registry.version(subject, version), isError('SCHEMA_UNKNOWN'));
    await assert.rejects(registry.version('a/../../x', 1), isError('SCHEMA_UNKNOWN'));
    assert.deepEqual(server.requests, ['GET /subjects/a%2F..%2F..%2Fx/versions/1']);
  });

  it('keeps the path of its address', async () => {
    server.fault = { status: 200, body: '[]' };
    await (await openRegistry(`${server.url}/apis/ccompat/v7/`, {}, systemClock)).subjects();
    assert.deepEqual(server.requests, ['GET /apis/ccompat/v7/subjects']);
  });

  it('knows a schema with rules, and takes an empty set for none', async () => {
    const id = await server.registry.register('a', source(order()));
    for (const [ruleSet, hasRules] of [
      [{ domainRules: [{ name: 'encrypt' }] }, true],
      [{ migrationRules: [], domainRules: null }, false],
    ] as const) {
      server.ruleSet = ruleSet;
      assert.equal((await (await open()).byId(id)).hasRules, hasRules);
    }
  });
});

describe('the address of a schema registry', () => {
  const refused = (address: string, options: RegistryOptions, message: RegExp) =>
    assert.rejects(openRegistry(address, options, systemClock), isError('CONFIG_INVALID', message));

  it('is refused if it is invalid, and not shown where it may hold a login', async () => {
    await refused('ftp://host', {}, /begins with ftp:/);
    await refused('', {}, /not a directory/);
    await refused('package.json', {}, /not a directory/);
    await refused('http://ada:secret@', {}, /^(?!.*secret)/s);
  });

  it('comes with options that fit, or is refused with all that is wrong', async () => {
    await refused('http://a', { timeoutMs: -1, retryForMs: Number.NaN }, /timeoutMs -1; retryForMs NaN/);
    await refused('http://ada:x@a', { bearer: 't' }, /both a login and a token/);
    await refused(
      'https://a',
      { tls: { ca: { file: 'missing.pem' }, certificate: 'x' } },
      /ca file missing\.pem.*certificate/s,
    );
    assert.throws(
      () => registryFromEnv({ SCHEMA_REGISTRY_BASIC_AUTH_USER_INFO: 'ada' }),
      isError('CONFIG_INVALID', /without a colon/),
    );
  });

  it('can come from the environment, with everything else', () => {
    const { address, options } = registryFromEnv({
      SCHEMA_REGISTRY_URL: 'https://a',
      SCHEMA_REGISTRY_SSL_CA_LOCATION: 'ca.pem',
      SCHEMA_REGISTRY_SSL_KEY_LOCATION: 'key.pem',
      SCHEMA_REGISTRY_SSL_CERTIFICATE_LOCATION: 'cert.pem',
      SCHEMA_REGISTRY_SSL_KEY_PASSWORD: 'secret',
      SCHEMA_REGISTRY_SSL_ENDPOINT_IDENTIFICATION_ALGORITHM: 'none',
    });
    assert.equal(address, 'https://a');
    assert.deepEqual(
      { ...options.tls, passphrase: undefined },
      {
        ca: { file: 'ca.pem' },
        key: { file: 'key.pem' },
        certificate: { file: 'cert.pem' },
        checkServerName: false,
        passphrase: undefined,
      },
    );
    assert.ok(!inspect(options).includes("secret'"));
    assert.deepEqual(registryFromEnv({}), { address: undefined, options: {} });
  });
});
