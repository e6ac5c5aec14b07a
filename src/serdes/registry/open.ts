import { statSync } from 'node:fs';
import type { ConnectionOptions } from 'node:tls';
import { StreamsError } from '../../model/errors.js';
import { ownOf } from '../../model/own.js';
import type { Clock } from '../../model/ports.js';
import { asSecret, Secret, withoutLogin } from '../../model/text/secret.js';
import { resolveTls, type Tls } from '../../net/tls.js';
import { CachedRegistry } from './cached.js';
import { FileRegistry } from './file.js';
import { HttpRegistry } from './http.js';
import { MemoryRegistry } from './memory.js';
import type { SchemaRegistry } from './port.js';

export interface RegistryOptions {
  /**
   * The login for all addresses. A login in an address, as in `https://user:password@host`, applies to that
   * address only.
   */
  readonly basic?: { readonly username: string; readonly password: string | Secret };
  /** A token, or a function that returns the currently valid one. */
  readonly bearer?: string | Secret | (() => Promise<string | Secret>);
  readonly tls?: Tls;
  /** How long to wait for one response, in milliseconds. Default 10,000. */
  readonly timeoutMs?: number;
  /**
   * For how long to retry transient failures (no connection, no response, 408, 429, 5xx), in milliseconds.
   * Default 30,000.
   */
  readonly retryForMs?: number;
}

/**
 * Opens the registry at an address: `http://…` or `https://…` (several, separated by commas), `mock://`, or a
 * directory. Sends no request yet. CONFIG_INVALID lists the problems.
 */
export async function openRegistry(address: string, options: RegistryOptions, clock: Clock): Promise<SchemaRegistry> {
  if (/^mock:\/\//.test(address)) return new MemoryRegistry();
  if (/^https?:\/\//.test(address)) return openHttp(address, options, clock);
  const directory = address.replace(/^file:(\/\/)?/, '');
  const scheme = /^[a-z][a-z0-9+.-]*:\/\//i.exec(directory)?.[0];
  // A host with a port or a login is not meant as a new directory.
  if (/[^/\\]:\d{1,5}(\/|$)|^[^/\\]*:.*@/.test(directory) && !statSync(directory, { throwIfNoEntry: false }))
    throw invalid([`the address ${withoutLogin(directory)} without a scheme`]);
  if (scheme || directory === '' || (statSync(directory, { throwIfNoEntry: false })?.isDirectory() ?? true) === false)
    throw invalid([scheme ? `an address that begins with ${scheme}` : `"${directory}", which is not a directory`]);
  return FileRegistry.open(directory);
}

function openHttp(
  address: string,
  { basic, bearer, tls, timeoutMs = 10_000, retryForMs = 30_000 }: RegistryOptions,
  clock: Clock,
): SchemaRegistry {
  const problems: string[] = [];
  const urls = address.split(',').flatMap((one) => {
    if (URL.canParse(one.trim()) && /^https?:$/.test(new URL(one.trim()).protocol)) return [new URL(one.trim())];
    // The address may contain a login, so it is not shown.
    problems.push('an invalid address');
    return [];
  });
  for (const [name, value] of [
    ['timeoutMs', timeoutMs],
    ['retryForMs', retryForMs],
  ] as const)
    if (!(Number.isFinite(value) && value >= 0)) problems.push(`${name} ${value}`);
  const resolved: ConnectionOptions | undefined = tls && resolveTls(tls, problems);
  const logins = urls.map((url) => basic ?? loginIn(url, problems));
  if (logins.some((login) => login !== undefined) && bearer !== undefined) problems.push('both a login and a token');
  if (problems.length > 0) throw invalid(problems);
  const authorization = async (login: Login | undefined): Promise<string | undefined> => {
    if (bearer !== undefined)
      return `Bearer ${asSecret(typeof bearer === 'function' ? await bearer() : bearer).reveal()}`;
    if (!login) return undefined;
    return `Basic ${Buffer.from(`${login.username}:${asSecret(login.password).reveal()}`).toString('base64')}`;
  };
  const clean = urls.map((url, i) => ({
    url: Object.assign(new URL(url), { username: '', password: '', search: '', hash: '' }),
    authorization: () => authorization(logins[i]),
  }));
  return new CachedRegistry(new HttpRegistry({ urls: clean, clock, timeoutMs, retryForMs, tls: resolved }), clock);
}

type Login = NonNullable<RegistryOptions['basic']>;

/** The login in one address; it applies to that address only. */
function loginIn({ username, password }: URL, problems: string[]): Login | undefined {
  if (username === '') return undefined;
  try {
    return { username: decodeURIComponent(username), password: new Secret(decodeURIComponent(password)) };
  } catch {
    problems.push('a login in the address with a % that is not an escape (write %25)');
    return undefined;
  }
}

/**
 * Address and options from the environment, under the names that Confluent's clients use:
 * `SCHEMA_REGISTRY_URL`, `SCHEMA_REGISTRY_BASIC_AUTH_USER_INFO` (`user:password`),
 * `SCHEMA_REGISTRY_BEARER_AUTH_TOKEN`, and `SCHEMA_REGISTRY_SSL_…`.
 */
export function registryFromEnv(env: Readonly<Record<string, string | undefined>>): {
  readonly address: string | undefined;
  readonly options: RegistryOptions;
} {
  const get = (name: string): string | undefined => ownOf(env, `SCHEMA_REGISTRY_${name}`) || undefined;
  const login = get('BASIC_AUTH_USER_INFO');
  const token = get('BEARER_AUTH_TOKEN');
  const file = (name: string): { readonly file: string } | undefined => {
    const path = get(`SSL_${name}_LOCATION`);
    return path === undefined ? undefined : { file: path };
  };
  const [ca, certificate, key, passphrase] = [file('CA'), file('CERTIFICATE'), file('KEY'), get('SSL_KEY_PASSWORD')];
  const checkServerName = get('SSL_ENDPOINT_IDENTIFICATION_ALGORITHM') === 'none' ? false : undefined;
  const tls: Tls = {
    ...(ca && { ca }),
    ...(certificate && { certificate }),
    ...(key && { key }),
    ...(passphrase !== undefined && { passphrase: new Secret(passphrase) }),
    ...(checkServerName !== undefined && { checkServerName }),
  };
  if (login !== undefined && !login.includes(':'))
    throw invalid(['SCHEMA_REGISTRY_BASIC_AUTH_USER_INFO without a colon: user:password']);
  const colon = login?.indexOf(':') ?? -1;
  return {
    address: get('URL'),
    options: {
      ...(login !== undefined && {
        basic: { username: login.slice(0, colon), password: new Secret(login.slice(colon + 1)) },
      }),
      ...(token !== undefined && { bearer: new Secret(token) }),
      ...(Object.keys(tls).length > 0 && { tls }),
    },
  };
}

const invalid = (problems: readonly string[]): StreamsError =>
  new StreamsError('CONFIG_INVALID', {
    what: 'cannot use the schema registry as configured',
    saw: problems.join('; '),
    expected: 'http://host:port or https://host:port (several, separated by commas), mock://, or a directory',
    action: problems.length === 1 ? 'Correct it.' : 'Correct them.',
  });
