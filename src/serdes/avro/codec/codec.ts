import { messageOf } from '../../../model/errors.js';
import type { Schema } from '../../schema/model.js';
import { schemaJson } from '../../schema/text.js';
import { showValue } from '../../show.js';
import { type AvscType, Type, truncated } from './avsc.js';
import { branched, complex, primitive, union } from './guards.js';
import { logicalType } from './logical.js';
import { Defaults, withDefaults } from './records.js';

/**
 * The size of the buffer in which values are written before their length is known. It grows with the largest
 * value, up to a limit.
 */
const FIRST_BYTES = 4_096;
const KEPT_BYTES = 1024 * 1024;

type Resolver = ReturnType<AvscType['createResolver']>;

/**
 * Encodes values of one schema, and decodes them. Records are plain objects. Time and memory of decoding are
 * proportional to the bytes, whatever their content.
 */
export class AvroCodec {
  readonly #type: AvscType;
  #scratch = Buffer.allocUnsafe(FIRST_BYTES);

  constructor(schema: Schema) {
    this.#type = withDefaults(new Defaults(schema), () => build(schemaJson(schema, { defaults: false })));
  }

  /**
   * The encoded value after a copy of the prefix. Throws a plain `Error` that names the place where the value
   * does not fit the schema.
   */
  encode(value: unknown, prefix: Buffer): Buffer {
    const start = prefix.length;
    let end: number;
    try {
      end = this.#type.encode(value, this.#scratch, start);
      while (end < 0) {
        this.#scratch = Buffer.allocUnsafe(2 * this.#scratch.length - end);
        end = this.#type.encode(value, this.#scratch, start);
      }
    } catch (error) {
      throw new Error(this.#wrong(value, error), { cause: error });
    }
    const encoded = Buffer.allocUnsafe(end);
    prefix.copy(encoded, 0);
    this.#scratch.copy(encoded, start, start, end);
    if (this.#scratch.length > KEPT_BYTES) this.#scratch = Buffer.allocUnsafe(FIRST_BYTES);
    return encoded;
  }

  /**
   * The value from that byte to the end. It is read as the resolver's writer wrote it, or as this schema
   * writes it without a resolver. Throws a plain `Error`.
   */
  decode(bytes: Buffer, start: number, resolver: Resolver | undefined): unknown {
    let decoded: { readonly value: unknown; readonly offset: number };
    try {
      decoded = this.#type.decode(bytes, start, resolver);
      if (decoded.offset < 0) throw truncated();
    } catch (error) {
      throw new Error(`cannot decode Avro: ${reasonOf(error)}, expected what the schema says`, { cause: error });
    }
    if (decoded.offset === bytes.length) return decoded.value;
    throw new Error(`cannot decode Avro: saw ${bytes.length - decoded.offset} bytes after the value, expected none`);
  }

  /** How to read what another schema wrote. The caller has checked that this is possible. */
  resolver(writer: AvroCodec): Resolver {
    return this.#type.createResolver(writer.#type, { ignoreNamespaces: true });
  }

  #wrong(value: unknown, error: unknown): string {
    const found: string[] = [];
    const errorHook = (path: readonly string[], saw: unknown, type: AvscType): void => {
      found.push(`saw ${showValue(saw)} in ${path.join('.') || 'the value itself'}, expected ${expectation(type)}`);
    };
    try {
      this.#type.isValid(value, { errorHook: errorHook as never });
    } catch {
      // The first error is enough.
    }
    return `cannot encode Avro: ${found[0] ?? `${messageOf(error)}, expected what the schema says`}`;
  }
}

function expectation(type: AvscType): string {
  const { typeName, name } = type;
  const branches = (type as { readonly types?: readonly AvscType[] }).types;
  if (branches)
    return `one of ${branches.map((branch) => branch.branchName ?? branch.typeName).join(', ')}${typeName === 'union:wrapped' ? ', as an object with that name' : ''}`;
  const kind = typeName.replace(/^logical:/, '');
  return name === undefined ? kind : `${kind} ${name}`;
}

/** The message in the form that all serdes use, wherever the error came from. */
function reasonOf(error: unknown): string {
  if (error instanceof RangeError && /call stack/.test(error.message)) return 'saw values that are nested too deeply';
  const text = messageOf(error);
  return text.startsWith('saw ') ? text : `saw bytes that do not fit it (${text})`;
}

/** avsc's type for a schema, built from the guarded types. */
function build(json: unknown): AvscType {
  const underlying = new Set<unknown>();
  const typeHook = (schema: unknown, options: object): AvscType | undefined => {
    if (typeof schema === 'string') return primitive(schema);
    if (Array.isArray(schema))
      return union(
        schema.map((branch) => Type.forSchema(branch, options)),
        options,
      );
    const { logicalType: name } = schema as { readonly logicalType?: unknown };
    const Logical = underlying.has(schema) ? undefined : logicalType(name);
    if (!Logical) return complex(schema as object, options);
    // avsc calls the hook for the same schema again, to build the underlying type.
    underlying.add(schema);
    return branched(new Logical(schema as never, options));
  };
  return Type.forSchema(json as never, {
    registry: Object.create(null),
    omitRecordMethods: true,
    typeHook: typeHook as never,
  });
}
