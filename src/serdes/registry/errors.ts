import { StreamsError } from '../../model/errors.js';

export const unknownSubject = (subject: string, address: string): StreamsError =>
  unknown(
    `there is no subject ${subject}`,
    address,
    `Register a schema under it (millrace schema register), or correct the name.`,
  );

export const unknownVersion = (subject: string, version: number | 'latest', address: string): StreamsError =>
  unknown(
    `the subject ${subject} has no version ${version}`,
    address,
    'Use a version that it has: see millrace schema list.',
  );

export const unknownId = (id: number | string, address: string): StreamsError =>
  unknown(
    `there is no schema with the id ${id}`,
    address,
    'Find out which registry the writer of the bytes uses, or whether they are Avro at all.',
  );

const unknown = (what: string, at: string, action: string): StreamsError =>
  new StreamsError('SCHEMA_UNKNOWN', { what, at, action });

export const incompatible = (subject: string, address: string, saw: string): StreamsError =>
  new StreamsError('SCHEMA_INCOMPATIBLE', {
    what: `the schema is not compatible with what the subject ${subject} has`,
    at: address,
    saw,
    action:
      'Change the schema (a field with a default, an alias for what is renamed), use another subject, or change the compatibility of the subject. millrace schema check lists all problems.',
  });
