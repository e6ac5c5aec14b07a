import { Agent, request as httpRequest } from 'node:http';
import { request as httpsRequest, Agent as SecureAgent } from 'node:https';
import type { ConnectionOptions } from 'node:tls';
import { messageOf, StreamsError } from '../../model/errors.js';
import { type Clock, sleep } from '../../model/ports.js';

/** More than any schema; an endless response must not fill the memory. */
const MAX_ANSWER_BYTES = 16 * 1024 * 1024;
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 5_000;

export interface HttpRequest {
  readonly method: 'GET' | 'POST';
  /** Relative to the address of the registry: `/subjects`. */
  readonly path: string;
  readonly body?: unknown;
}

export interface HttpAnswer {
  readonly status: number;
  /** The parsed body; undefined if it is not JSON. */
  readonly json: unknown;
}

/** One address of a registry. */
export interface RegistryUrl {
  /** The URL without a login. */
  readonly url: URL;
  /** The Authorization header for this address. */
  readonly authorization: () => Promise<string | undefined>;
}

export interface HttpClientOptions {
  /** Tried in turn, beginning with the last responsive one. */
  readonly urls: readonly RegistryUrl[];
  readonly clock: Clock;
  readonly timeoutMs: number;
  readonly retryForMs: number;
  readonly tls: ConnectionOptions | undefined;
}

/**
 * Sends requests to a registry. Transient failures (no connection, no response in time, 408, 429, 5xx) are
 * retried, at each address in turn, with increasing pauses. After the time limit: REGISTRY_UNAVAILABLE. Every
 * other response is returned.
 */
export class HttpClient {
  readonly #options: HttpClientOptions;
  /**
   * Its own agents: shared ones would hand out connections that other code has opened with other TLS
   * settings.
   */
  readonly #agents: { readonly plain: Agent; readonly secure: SecureAgent };
  #current = 0;

  constructor(options: HttpClientOptions) {
    this.#options = options;
    this.#agents = {
      plain: new Agent({ keepAlive: true }),
      secure: new SecureAgent({ ...options.tls, keepAlive: true }),
    };
  }

  async ask(request: HttpRequest): Promise<HttpAnswer> {
    const { urls, clock, retryForMs } = this.#options;
    const began = clock.monotonic();
    let pauseMs = FIRST_PAUSE_MS;
    let reason = '';
    for (let attempt = 1; ; attempt++) {
      const url = urls[this.#current % urls.length] as RegistryUrl;
      try {
        const answer = await this.#send(url, request);
        if (!passes(answer.status)) return answer;
        reason = `status ${answer.status}${messageIn(answer)}`;
      } catch (error) {
        reason = reasonOf(error);
      }
      this.#current++;
      // All addresses are tried before the first pause.
      if (attempt % urls.length !== 0) continue;
      if (clock.monotonic() - began + pauseMs > retryForMs) throw this.#unavailable(request, attempt, reason);
      await sleep(clock, pauseMs);
      pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS);
    }
  }

  async #send(
    { url, authorization: authorize }: RegistryUrl,
    { method, path, body }: HttpRequest,
  ): Promise<HttpAnswer> {
    const { clock, timeoutMs } = this.#options;
    const authorization = await authorize();
    const payload = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
    const timeout = new AbortController();
    const cancel = clock.after(timeoutMs, () => timeout.abort());
    const secure = url.protocol === 'https:';
    const ask = secure ? httpsRequest : httpRequest;
    try {
      return await new Promise<HttpAnswer>((resolve, reject) => {
        const options = {
          method,
          signal: timeout.signal,
          headers: {
            accept: 'application/vnd.schemaregistry.v1+json, application/json',
            ...(authorization !== undefined && { authorization }),
            ...(payload && {
              'content-type': 'application/vnd.schemaregistry.v1+json',
              'content-length': payload.length,
            }),
          },
          agent: secure ? this.#agents.secure : this.#agents.plain,
        };
        const sent = ask(new URL(`${url.pathname.replace(/\/$/, '')}${path}`, url), options, (response) => {
          const chunks: Buffer[] = [];
          let size = 0;
          response.on('data', (chunk: Buffer) => {
            size += chunk.length;
            if (size > MAX_ANSWER_BYTES)
              response.destroy(new Error(`an answer of more than ${MAX_ANSWER_BYTES} bytes`));
            else chunks.push(chunk);
          });
          response.on('error', reject);
          response.on('end', () => resolve({ status: response.statusCode ?? 0, json: parsed(Buffer.concat(chunks)) }));
        });
        sent.on('error', reject);
        sent.end(payload);
      });
    } catch (error) {
      throw timeout.signal.aborted ? new Error(`no answer in ${timeoutMs} ms`) : error;
    } finally {
      cancel();
    }
  }

  #unavailable({ method, path }: HttpRequest, attempts: number, reason: string): StreamsError {
    return new StreamsError('REGISTRY_UNAVAILABLE', {
      what: `the schema registry does not answer ${method} ${path}`,
      at: addressOf(this.#options.urls),
      saw: `${reason}, after ${attempts} attempt${attempts === 1 ? '' : 's'}`,
      action: 'Check that it runs and can be reached from here; schemas that were fetched before remain usable.',
    });
  }
}

/** The addresses for error messages: without parts that might be a login. */
export const addressOf = (urls: readonly RegistryUrl[]): string =>
  urls
    .map(({ url: { protocol, host, pathname } }) => `${protocol}//${host}${pathname === '/' ? '' : pathname}`)
    .join(',');

/** The registry's own error message in a response. */
export function messageIn({ json }: HttpAnswer): string {
  const { message } = (json ?? {}) as { readonly message?: unknown };
  return typeof message === 'string' ? ` (${message.length > 500 ? `${message.slice(0, 500)}…` : message})` : '';
}

const passes = (status: number): boolean => status === 408 || status === 429 || status >= 500;

function parsed(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    return undefined;
  }
}

/** Node may collect the errors of several addresses of one host; the message of the whole is then empty. */
function reasonOf(error: unknown): string {
  const { code, errors } = error as { readonly code?: string; readonly errors?: readonly unknown[] };
  const text = messageOf(error) || (errors?.[0] === undefined ? '' : messageOf(errors[0]));
  return text || code || 'no connection';
}
