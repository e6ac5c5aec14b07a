import type { AnySerde, PushScope } from '../../dsl/contract/processor.js';
import { changelogTopic, repartitionTopic } from '../../graph/naming.js';
import { isStreamsError, StreamsError } from '../../model/errors.js';
import type { BoundSerde, SerdeServices, SerdeUsage } from '../../serdes/serde.js';
import type { EngineConfig, EnginePorts } from './config.js';

/** What serdes need from the engine that uses them. */
export interface SerdeConfig extends SerdeServices {
  /** The name of internal topics in schema subjects: the same for all versions of the application. */
  readonly applicationId: string;
  /** Nothing is written except keys for lookups. */
  readonly readOnly?: boolean;
}

/**
 * The serdes of one declaration of a topology. Each is bound to its topic during the declaration, and all are
 * opened before anything is encoded or decoded.
 */
export class SerdeBindings {
  readonly #config: SerdeConfig;
  #waiting: BoundSerde<unknown>[] = [];

  constructor(config: SerdeConfig) {
    this.#config = config;
  }

  /** For {@link PushScope}. Serdes that need no binding are returned as they are. */
  readonly bind: NonNullable<PushScope['bind']> = (serde, { of, name, side }) => {
    const { applicationId, readOnly = false } = this.#config;
    if (of === 'source') return this.at(serde, { topic: name, side, use: 'read' });
    if (of === 'globalTable') return this.at(serde, { topic: name, side, use: side === 'key' ? 'both' : 'read' });
    if (of === 'sink') return this.at(serde, { topic: name, side, use: readOnly ? 'read' : 'write' });
    const internal = of === 'store' ? changelogTopic : repartitionTopic;
    const use = readOnly && side === 'value' ? 'read' : 'both';
    return this.at(serde, { topic: internal(applicationId, name as string), side, use });
  };

  at(serde: AnySerde, place: SerdeUsage): AnySerde {
    if (!serde?.binding) return serde;
    const bound = serde.binding.bind(place, this.#config);
    this.#waiting.push(bound);
    return bound;
  }

  /**
   * Asks the schema registry for all schemas that are written. SCHEMA_UNKNOWN names all subjects without
   * their schemas; other errors of the registry are thrown one at a time.
   */
  async open(): Promise<void> {
    const waiting = this.#waiting;
    this.#waiting = [];
    const results = await Promise.allSettled(waiting.map((serde) => serde.open()));
    const errors = results.flatMap((result) => (result.status === 'rejected' ? [result.reason as Error] : []));
    const [first] = errors;
    if (!first) return;
    const unknown = errors.filter(
      (error) => isStreamsError(error) && error.code === 'SCHEMA_UNKNOWN',
    ) as StreamsError[];
    const other = errors.find((error) => !unknown.includes(error as StreamsError));
    if (other || unknown.length === 1) throw other ?? first;
    throw new StreamsError('SCHEMA_UNKNOWN', {
      what: `${unknown.length} schemas are not registered: ${[...new Set(unknown.map(({ problem }) => problem))].join('; ')}`,
      action: (unknown[0] as StreamsError).action,
      cause: first,
    });
  }
}

export const serdeConfig = (
  { schemasOf, registerSchemas }: Pick<EngineConfig, 'schemasOf' | 'registerSchemas'>,
  { schemaRegistry = noRegistry }: Pick<EnginePorts, 'schemaRegistry'>,
): SerdeConfig => ({ applicationId: schemasOf, registerSchemas, schemaRegistry });

export const noRegistry = async (): Promise<never> => {
  throw new StreamsError('CONFIG_INVALID', {
    what: 'there is no schema registry, and a serde needs one',
    action:
      'Name it: --schema-registry or SCHEMA_REGISTRY_URL on the command line, in a service schemaRegistry: await openSchemaRegistry(address).',
  });
};
