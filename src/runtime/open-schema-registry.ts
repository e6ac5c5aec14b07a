import type { Clock } from '../model/ports.js';
import { openRegistry, type RegistryOptions } from '../serdes/registry/open.js';
import type { SchemaRegistry } from '../serdes/registry/port.js';
import { systemClock } from './config/system.js';

export interface SchemaRegistryOptions extends RegistryOptions {
  readonly clock?: Clock;
}

/**
 * Returns the schema registry at an address. It opens no connection and needs no close.
 *
 * | address | registry |
 * |---|---|
 * | `http://host:8081`, `https://…` | a server with the protocol of Confluent's; several addresses, separated by commas, are tried in turn |
 * | a directory | the file `index.json` in it, which is committed with the code: no server is needed |
 * | `mock://` | one in memory, for tests |
 *
 * A server is asked once for each schema. Without a connection, without an answer within `timeoutMs`, and
 * after the statuses 408, 429 and 5xx, the request is repeated for `retryForMs`, with growing pauses; then
 * REGISTRY_UNAVAILABLE. 401 and 403 are REGISTRY_UNAUTHORIZED at once. Errors and logs contain no logins and
 * tokens. CONFIG_INVALID lists all problems with the address and the options.
 *
 * ```ts no-run
 * const schemaRegistry = await openSchemaRegistry('https://registry:8081', { basic: { username: 'payments', password: new Secret(await vault.read('registry')) } });
 * const streams = await start(payments, { broker, stateDirectory, schemaRegistry });
 * ```
 */
export function openSchemaRegistry(
  address: string,
  { clock = systemClock, ...options }: SchemaRegistryOptions = {},
): Promise<SchemaRegistry> {
  return openRegistry(address, options, clock);
}
