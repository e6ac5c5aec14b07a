import type { Clock } from '../model/ports.js';
import { openRegistry, type RegistryOptions } from '../serdes/registry/open.js';
import type { SchemaRegistry } from '../serdes/registry/port.js';
import { systemClock } from './system.js';

export interface SchemaRegistryOptions extends RegistryOptions {
  readonly clock?: Clock;
}

/**
 * Opens the schema registry of an address: that is, remembers how to ask it. It has to be closed by nobody.
 *
 * | address | registry |
 * |---|---|
 * | `http://host:8081`, `https://…` | a server that speaks the protocol of Confluent's; several addresses with commas between them are tried in turn |
 * | a directory | the file `index.json` in it, which is committed with the code: nobody needs a server |
 * | `mock://` | one in memory, for tests |
 *
 * A server is asked once for each schema. No connection, no answer within `timeoutMs` and the statuses 408,
 * 429 and 5xx are tried again for `retryForMs`, with growing pauses; then REGISTRY_UNAVAILABLE. 401 and 403
 * are REGISTRY_UNAUTHORIZED at once. Logins and tokens are in no error and no log. CONFIG_INVALID lists what
 * is wrong with the address and the options.
 *
 * ```ts no-run
 * import { openBroker, openSchemaRegistry, start } from 'millrace';
 *
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
