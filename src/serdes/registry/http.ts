import { StreamsError } from '../../model/errors.js';
import { show } from '../../model/text/show.js';
import { isDeeper } from '../json-depth.js';
import { COMPATIBILITIES, type Compatibility } from '../schema/compatibility.js';
import { incompatible, unknownId, unknownSubject, unknownVersion } from './errors.js';
import { areReferences, fieldsOf } from './fields.js';
import {
  addressOf,
  type HttpAnswer,
  HttpClient,
  type HttpClientOptions,
  type HttpRequest,
  messageIn,
} from './http-client.js';
import type { SchemaReference, SchemaRegistry, SchemaSource, SchemaVersion, StoredSchema } from './port.js';

const NO_SUBJECT = 40401;
const NO_VERSION = 40402;
const NO_SCHEMA = 40403;
const NO_SUBJECT_MODE = 40408;

/** A registry with the protocol of Confluent's registry (other registries support it too). */
export class HttpRegistry implements SchemaRegistry {
  readonly address: string;
  readonly #client: HttpClient;

  constructor(options: HttpClientOptions) {
    this.address = addressOf(options.urls);
    this.#client = new HttpClient(options);
  }

  async byId(id: number): Promise<StoredSchema> {
    const answer = await this.#ask({ method: 'GET', path: `/schemas/ids/${id}` });
    if (codeOf(answer)) throw unknownId(id, this.address);
    return this.#stored(answer);
  }

  async byGuid(guid: string): Promise<StoredSchema> {
    const answer = await this.#ask({ method: 'GET', path: `/schemas/guids/${this.#segment(guid)}` });
    if (codeOf(answer)) throw unknownId(guid, this.address);
    return this.#stored(answer);
  }

  async version(subject: string, version: number | 'latest'): Promise<SchemaVersion> {
    if (version !== 'latest' && !(Number.isSafeInteger(version) && version > 0))
      throw unknownVersion(subject, version, this.address);
    const answer = await this.#ask({ method: 'GET', path: `${this.#path(subject)}/versions/${version}` });
    const code = codeOf(answer);
    if (code === NO_VERSION) throw unknownVersion(subject, version, this.address);
    if (code) throw unknownSubject(subject, this.address);
    return this.#version(answer, subject);
  }

  async lookup(subject: string, source: SchemaSource): Promise<SchemaVersion | undefined> {
    const answer = await this.#ask({
      method: 'POST',
      path: this.#path(subject),
      body: bodyOf(source),
    });
    if (answer.status === 422) throw this.#notTaken(answer, subject);
    return codeOf(answer) ? undefined : this.#version(answer, subject);
  }

  async register(subject: string, source: SchemaSource): Promise<number> {
    const path = `${this.#path(subject)}/versions`;
    const answer = await this.#ask({ method: 'POST', path, body: bodyOf(source) });
    if (answer.status === 409) throw incompatible(subject, this.address, `status 409${messageIn(answer)}`);
    if (answer.status === 422 || codeOf(answer)) throw this.#notTaken(answer, subject);
    const { id } = fieldsOf(answer.json);
    if (isId(id)) return id;
    throw this.#strange(answer, 'an id');
  }

  async subjects(): Promise<readonly string[]> {
    const answer = await this.#ask({ method: 'GET', path: '/subjects' });
    if (Array.isArray(answer.json)) return answer.json.filter((name) => typeof name === 'string').sort();
    throw this.#strange(answer, 'a list of subjects');
  }

  async versions(subject: string): Promise<readonly number[]> {
    const answer = await this.#ask({ method: 'GET', path: `${this.#path(subject)}/versions` });
    if (codeOf(answer)) return [];
    if (Array.isArray(answer.json) && answer.json.every(Number.isInteger))
      return (answer.json as number[]).toSorted((a, b) => a - b);
    throw this.#strange(answer, 'a list of versions');
  }

  async compatibility(subject: string): Promise<Compatibility> {
    const own = await this.#ask({ method: 'GET', path: `/config/${this.#segment(subject)}` });
    const code = codeOf(own);
    const answer =
      code === NO_SUBJECT || code === NO_SUBJECT_MODE || code === 404
        ? await this.#ask({ method: 'GET', path: '/config' })
        : own;
    const { compatibilityLevel } = (answer.json ?? {}) as { readonly compatibilityLevel?: Compatibility };
    if (COMPATIBILITIES.includes(compatibilityLevel as Compatibility)) return compatibilityLevel as Compatibility;
    throw this.#strange(answer, 'a level of compatibility');
  }

  async refuses(subject: string, source: SchemaSource): Promise<string | undefined> {
    const path = `/compatibility${this.#path(subject)}/versions/latest?verbose=true`;
    const answer = await this.#ask({ method: 'POST', path, body: bodyOf(source) });
    // A missing subject accepts any schema.
    if (codeOf(answer)) return undefined;
    const { is_compatible: compatible, messages } = (answer.json ?? {}) as {
      readonly is_compatible?: unknown;
      readonly messages?: unknown;
    };
    if (compatible === true) return undefined;
    if (compatible !== false && answer.status !== 422) throw this.#strange(answer, 'a verdict on the compatibility');
    return Array.isArray(messages) && messages.length > 0
      ? messages.join('; ')
      : `status ${answer.status}${messageIn(answer)}`;
  }

  #path(subject: string): string {
    return `/subjects/${this.#segment(subject)}`;
  }

  /**
   * A segment of a path. Segments of dots only would lead to another path, however they are escaped (URL
   * Standard, 4.4).
   */
  #segment(name: string): string {
    if (/^\.{0,2}$/.test(name)) throw unknownSubject(show(name), this.address);
    return encodeURIComponent(name);
  }

  /** Returns a success response, or one of the errors that the protocol defines. */
  async #ask(request: HttpRequest): Promise<HttpAnswer> {
    const answer = await this.#client.ask(request);
    const { status } = answer;
    if (status === 401 || status === 403) {
      throw new StreamsError('REGISTRY_UNAUTHORIZED', {
        what: `the schema registry refused ${request.method} ${request.path}`,
        at: this.address,
        saw: `status ${status}${messageIn(answer)}`,
        action:
          status === 401 ? 'Correct the login or token.' : 'Give the user the right to do that, or use another login.',
      });
    }
    const known = status === 200 || status === 409 || status === 422 || (status === 404 && codeOf(answer) !== 0);
    if (known && (answer.json !== undefined || status !== 200)) return answer;
    throw this.#strange(answer, 'an answer of a schema registry');
  }

  #stored({ json }: HttpAnswer): StoredSchema {
    const { schema, schemaType = 'AVRO', references = [], ruleSet } = fieldsOf(json);
    const valid = typeof schema === 'string' && typeof schemaType === 'string' && areReferences(references ?? []);
    if (!valid) throw this.#strange({ status: 200, json }, 'a schema');
    return {
      schema,
      type: schemaType,
      references: (references ?? []) as readonly SchemaReference[],
      hasRules: anyRules(ruleSet),
    };
  }

  #version(answer: HttpAnswer, subject: string): SchemaVersion {
    const { id, version } = fieldsOf(answer.json);
    if (isId(id) && Number.isInteger(version))
      return { ...this.#stored(answer), subject, id, version: version as number };
    throw this.#strange(answer, 'a version of a subject');
  }

  #notTaken(answer: HttpAnswer, subject: string): StreamsError {
    return new StreamsError('SCHEMA_INVALID', {
      what: `the schema registry refuses a schema for ${subject}`,
      at: this.address,
      saw: `status ${answer.status}${messageIn(answer)}`,
      action: 'Correct the schema; the types that it refers to must be registered first.',
    });
  }

  #strange(answer: HttpAnswer, expected: string): StreamsError {
    return new StreamsError('REGISTRY_UNAVAILABLE', {
      what: 'the schema registry sent a response that cannot be understood',
      at: this.address,
      saw: `status ${answer.status}, ${excerpt(answer.json)}`,
      expected,
      action: 'Check that the address, with its path, belongs to a schema registry.',
    });
  }
}

/** The error code of a 404; 0 if there is none: another server, or a wrong path. */
function codeOf({ status, json }: HttpAnswer): number {
  if (status !== 404) return 0;
  const { error_code: code } = (json ?? {}) as { readonly error_code?: unknown };
  return typeof code === 'number' &&
    (code === 404 || [NO_SUBJECT, NO_VERSION, NO_SCHEMA, NO_SUBJECT_MODE].includes(code))
    ? code
    : 0;
}

const isId = (id: unknown): id is number => Number.isInteger(id) && (id as number) >= 0 && (id as number) < 2 ** 32;

const bodyOf = ({ schema, references }: SchemaSource): object => ({
  schema,
  ...(references.length > 0 && { references }),
});

/** An excerpt of the response for error messages. */
function excerpt(json: unknown): string {
  if (isDeeper(json, 20)) return 'JSON that nests deeply';
  return json === undefined ? 'no JSON' : show(json);
}

/** Registries may send an empty set instead of none. */
const anyRules = (ruleSet: unknown): boolean =>
  typeof ruleSet === 'object' &&
  ruleSet !== null &&
  Object.values(ruleSet).some((rules) => Array.isArray(rules) && rules.length > 0);
