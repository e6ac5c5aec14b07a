import type { Compatibility } from '../schema/compatibility.js';

/** A type that a schema refers to, and its place in the registry. */
export interface SchemaReference {
  /** The name that the schema uses for it: in Avro a full name. */
  readonly name: string;
  readonly subject: string;
  readonly version: number;
}

/** A schema in its written form. */
export interface SchemaSource {
  /** The text of the schema. */
  readonly schema: string;
  readonly references: readonly SchemaReference[];
}

/** A schema as a registry stores it. */
export interface StoredSchema extends SchemaSource {
  /** `AVRO`, or another type that the registry supports. */
  readonly type: string;
  /**
   * Whether it has rules for values (a `ruleSet`). millrace does not apply rules, and refuses such a schema.
   */
  readonly hasRules: boolean;
}

export interface SchemaVersion extends StoredSchema {
  readonly subject: string;
  readonly version: number;
  readonly id: number;
}

/**
 * A schema registry: subjects with versions. Each version is a schema with an id; the same schema has the
 * same id in all subjects.
 *
 * Errors of all methods: SCHEMA_UNKNOWN if something is missing, REGISTRY_UNAVAILABLE, REGISTRY_UNAUTHORIZED.
 */
export interface SchemaRegistry {
  /** The registry's address for errors and logs, without secrets. */
  readonly address: string;
  byId(id: number): Promise<StoredSchema>;
  /** Finds a schema by its globally unique id, a UUID, which newer registries also assign. */
  byGuid(guid: string): Promise<StoredSchema>;
  version(subject: string, version: number | 'latest'): Promise<SchemaVersion>;
  /** The version that this exact schema has in the subject; undefined if it has none. */
  lookup(subject: string, source: SchemaSource): Promise<SchemaVersion | undefined>;
  /**
   * Adds the schema as the next version; does nothing if the subject already has it. Resolves to its id.
   * SCHEMA_INCOMPATIBLE if the subject's compatibility mode forbids it, SCHEMA_INVALID if the schema is not
   * valid.
   */
  register(subject: string, source: SchemaSource): Promise<number>;
  subjects(): Promise<readonly string[]>;
  /** Oldest first; empty if there is no such subject. */
  versions(subject: string): Promise<readonly number[]>;
  /** The compatibility that the next version must have. */
  compatibility(subject: string): Promise<Compatibility>;
  /**
   * For registries with rules of their own: why the schema would be refused as the next version; undefined if
   * it would be accepted.
   */
  refuses?(subject: string, source: SchemaSource): Promise<string | undefined>;
}
