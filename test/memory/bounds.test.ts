import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { temporaryDirectory } from '../support/project.js';

const CHILD = fileURLToPath(new URL('./bounds.child.js', import.meta.url));
/** More than what is bounded needs, less than what would come without a bound. */
const HEAP_MB = 200;

/** Runs a case in a process of its own: what it has grown by. */
async function grown(name: string, argument = ''): Promise<number> {
  const child = spawn(process.execPath, [`--max-old-space-size=${HEAP_MB}`, CHILD, name, argument], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk));
  const [code] = await once(child, 'close');
  assert.equal(code, 0, stderr.slice(-2_000));
  const { asItShould, megabytes } = JSON.parse(stdout) as { asItShould: boolean; megabytes: number };
  assert.ok(asItShould, name);
  return megabytes;
}

async function assertGrows(name: string, atMost: number, argument?: string): Promise<void> {
  const megabytes = await grown(name, argument);
  if (process.env.MEMORY_SHOWN) console.log(`${name}: ${megabytes} MB of ${atMost}`);
  assert.ok(megabytes < atMost, `${megabytes} MB`);
}

/** Runs work with the address of a server, which answers so. */
async function withServer(
  answer: (request: IncomingMessage, response: ServerResponse) => void,
  work: (url: string) => Promise<void>,
): Promise<void> {
  const server = createServer(answer);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    await work(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

/** A registry that has every id and version; the id of a million refers to 500 others. */
function registry({ url = '' }: IncomingMessage, response: ServerResponse): void {
  const id = Number(/\d+$/.exec(url)?.[0]);
  const many = Array.from({ length: 500 }, (_, i) => ({ name: `N${i + 1}`, subject: 's', version: i + 1 }));
  response.writeHead(200, { 'content-type': 'application/json' });
  response.end(
    JSON.stringify({
      ...{ subject: 's', version: id, id },
      schema: JSON.stringify({ type: 'record', name: `N${id}`, doc: 'x'.repeat(300_000), fields: [] }),
      references: id === 1_000_000 ? many : [],
    }),
  );
}

describe('memory is bounded', () => {
  it('for rows: the cache keeps what it may', () => assertGrows('rows', 160, temporaryDirectory()));

  it('for databases: each keeps 16 MB of what is not in a table yet', () =>
    assertGrows('databases', 200, temporaryDirectory()));

  it('for the embedded log: its newest batches are kept, as far as 32 MB go', () =>
    assertGrows('log', 200, temporaryDirectory()));

  it('for rows that changed: the commit comes when they are as large as the cache may be', () =>
    assertGrows('changed', 260, temporaryDirectory()));

  it('for a restore: a poll is written before the next one', async () => {
    const directory = temporaryDirectory();
    await grown('changed', directory);
    await assertGrows('restore', 180, directory);
  });

  it('for the answers of a schema registry: 64 MB of schemas are kept', () =>
    withServer(registry, (url) => assertGrows('registry', 250, url)));

  it('for the references of a schema: with more than 16 MB it is refused', () =>
    withServer(registry, (url) => assertGrows('references', 200, url)));

  it('for ids of schemas in bytes that are no Avro: a thousand are remembered', () => assertGrows('ids', 150));

  it('for the answer of a token endpoint: it is read as far as 1 MB', () => {
    const endless = (_: IncomingMessage, response: ServerResponse): void => {
      response.writeHead(200);
      const chunk = Buffer.alloc(1024 * 1024, ' ');
      const more = (): void => {
        while (!response.destroyed && response.write(chunk));
      };
      response.on('drain', more);
      more();
    };
    return withServer(endless, (url) => assertGrows('token', 60, url));
  });

  it('for one line of input: 64 MB', () => assertGrows('line', 250));

  it('for lines of input: those of a chunk', () => assertGrows('lines', 120));
});
