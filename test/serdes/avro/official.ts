import type { Buffer } from 'node:buffer';
import { createRequire } from 'node:module';

/** What the tests need of `@confluentinc/schemaregistry`, whose own declarations need packages that are not there. Loaded when it is first used: it takes a second. */
interface Official {
  readonly SchemaRegistryClient: new (config: { readonly baseURLs: readonly string[] }) => OfficialClient;
  readonly AvroSerializer: new (
    client: OfficialClient,
    type: 'KEY' | 'VALUE',
    config: object,
  ) => { serialize(topic: string, value: unknown, headers?: object): Promise<Buffer> };
  readonly AvroDeserializer: new (
    client: OfficialClient,
    type: 'KEY' | 'VALUE',
    config: object,
  ) => { deserialize(topic: string, bytes: Buffer, headers?: object): Promise<unknown> };
  readonly HeaderSchemaIdSerializer: unknown;
}

interface OfficialClient {
  register(
    subject: string,
    schema: { readonly schemaType: 'AVRO'; readonly schema: string; readonly references?: readonly object[] },
  ): Promise<number>;
}

const require = createRequire(import.meta.url);

export function official(): Official {
  const root = '@confluentinc/schemaregistry/dist';
  return {
    ...require(`${root}/schemaregistry-client`),
    ...require(`${root}/serde/avro`),
    ...require(`${root}/serde/serde`),
  };
}
