import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { createServer as createSecureServer, type ServerOptions } from 'node:https';
import { type AddressInfo, connect } from 'node:net';
import { isStreamsError } from '#src/model/errors.js';
import { MemoryRegistry } from '#src/serdes/registry/memory.js';
import type { SchemaSource, SchemaVersion } from '#src/serdes/registry/port.js';
import { parseSchema } from '#src/serdes/schema/parse.js';
import { fingerprintUuid, schemaText } from '#src/serdes/schema/text.js';

/** What the server does instead of answering: a status (with a body), silence, or the end of the connection. */
export type Fault = { readonly status: number; readonly body?: unknown } | 'silence' | 'hang up';

/** A schema registry by HTTP, on 127.0.0.1, in memory: the protocol, and nothing else. It fails as it is told. */
export class RegistryServer {
  readonly registry = new MemoryRegistry();
  /** `GET /subjects`, in order. */
  readonly requests: string[] = [];
  readonly authorizations: (string | undefined)[] = [];
  /** For the next requests, in order. */
  readonly faults: Fault[] = [];
  /** For all requests, until it is cleared. */
  fault: Fault | undefined;
  /** Sent with every schema. */
  ruleSet: object | undefined;
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  /** With `tls`, for the name `localhost`. */
  static async start(tls?: ServerOptions): Promise<RegistryServer> {
    const server = tls ? createSecureServer(tls) : createServer();
    const started = new RegistryServer(server);
    server.on('request', async (request, response) => {
      const { status, body } = await started
        .#answer(request)
        .catch((error: unknown) => ({ status: 599, body: String(error) }));
      if (status < 0) {
        if (status === -2) request.socket.destroy();
        return;
      }
      response.writeHead(status, { 'content-type': 'application/vnd.schemaregistry.v1+json' });
      response.end(typeof body === 'string' ? body : JSON.stringify(body));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return started;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #answer(request: IncomingMessage): Promise<{ readonly status: number; readonly body?: unknown }> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    this.requests.push(`${request.method} ${request.url}`);
    this.authorizations.push(request.headers.authorization);
    const fault = this.faults.shift() ?? this.fault;
    if (fault === 'silence') return { status: -1 };
    if (fault === 'hang up') return { status: -2 };
    if (fault)
      return {
        status: fault.status,
        body: fault.body ?? { error_code: fault.status * 100, message: 'as the test wants it' },
      };
    try {
      const json = chunks.length > 0 ? JSON.parse(Buffer.concat(chunks).toString()) : undefined;
      return {
        status: 200,
        body: await this.#do(
          `${request.method} ${request.url}`,
          json && { schema: json.schema, references: json.references ?? [] },
        ),
      };
    } catch (error) {
      return failure(error);
    }
  }

  async #do(asked: string, source: SchemaSource): Promise<unknown> {
    const [, method = '', first = '', second = '', third = '', fourth = ''] =
      /^(\w+) \/(\w+)(?:\/([^/?]+))?(?:\/([^/?]+))?(?:\/([^/?]+))?/.exec(asked) ?? [];
    const { registry } = this;
    const subject = decodeURIComponent(second);
    const withRules = (schema: object): object => ({
      ...schema,
      ...('version' in schema && { guid: guidOf(schema as SchemaVersion) }),
      ...(this.ruleSet && { ruleSet: this.ruleSet }),
    });
    if (first === 'schemas')
      return withRules(second === 'ids' ? await registry.byId(Number(third)) : await registry.byGuid(third));
    if (first === 'config') return { compatibilityLevel: await registry.compatibility(subject) };
    if (second === '') return registry.subjects();
    if (method === 'POST' && third === '') {
      const found = await registry.lookup(subject, source);
      if (found) return withRules(found);
      throw Object.assign(new Error('the schema is not there'), { code: 40403 });
    }
    if (method === 'POST') return { id: await registry.register(subject, source) };
    if (fourth === '') {
      const versions = await registry.versions(subject);
      if (versions.length > 0) return versions;
      throw Object.assign(new Error('no such subject'), { code: 40401 });
    }
    return withRules(await registry.version(subject, fourth === 'latest' ? 'latest' : Number(fourth)));
  }
}

/** As the registry in memory finds it again; of a schema that refers to nothing. */
const guidOf = ({ schema, references }: SchemaVersion): string | undefined =>
  references.length === 0 ? fingerprintUuid(schemaText(parseSchema(schema).schema)) : undefined;

function failure(error: unknown): { readonly status: number; readonly body: unknown } {
  const message = (error as Error).message;
  if (!isStreamsError(error))
    return { status: 404, body: { error_code: (error as { readonly code: number }).code, message } };
  if (error.code === 'SCHEMA_INCOMPATIBLE') return { status: 409, body: { error_code: 409, message } };
  if (error.code === 'SCHEMA_INVALID') return { status: 422, body: { error_code: 42201, message } };
  const code = /has no version/.test(message) ? 40402 : /no subject/.test(message) ? 40401 : 40403;
  return { status: 404, body: { error_code: code, message } };
}

/** A port of 127.0.0.1 that nobody listens at. */
export async function deadPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  await once(connect(port, '127.0.0.1'), 'error');
  return port;
}
