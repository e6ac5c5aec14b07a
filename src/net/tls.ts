/// <reference types="node" preserve="true" />
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { type ConnectionOptions, createSecureContext } from 'node:tls';
import { messageOf } from '../model/errors.js';
import { asSecret, type Secret } from '../model/text/secret.js';

/** A text in PEM format, or the file that holds it (relative to the working directory). */
export type Pem = string | { readonly file: string };

/**
 * How a connection is encrypted, and how both sides authenticate each other. `{}` is enough for servers with
 * certificates from a public authority.
 */
export interface Tls {
  /** Certificates of the authorities to trust, instead of Node's default ones. */
  readonly ca?: Pem;
  /** The certificate that identifies this client to servers that ask for one; requires `key`. */
  readonly certificate?: Pem;
  /** The private key of the certificate. */
  readonly key?: Pem | Secret;
  /** The passphrase of the private key, if the key is encrypted. */
  readonly passphrase?: string | Secret;
  /** Whether the server's certificate must be valid for the host name of the connection. Default true. */
  readonly checkServerName?: boolean;
}

/**
 * Reads the files and checks what can be checked without a server. Adds each problem that it finds to
 * `problems`.
 */
export function resolveTls(tls: Tls, problems: string[]): ConnectionOptions {
  const before = problems.length;
  const ca = pemOf('ca', 'CERTIFICATE', tls.ca, problems);
  const cert = pemOf('certificate', 'CERTIFICATE', tls.certificate, problems);
  const key = pemOf('key', 'PRIVATE KEY', tls.key, problems);
  if (tls.certificate !== undefined && tls.key === undefined) problems.push('a certificate without its key');
  if (tls.key !== undefined && tls.certificate === undefined) problems.push('a key without its certificate');
  if (tls.passphrase !== undefined && tls.key === undefined) problems.push('a passphrase without a key');
  const options: ConnectionOptions = {
    ...(ca !== undefined && { ca }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
    ...(tls.passphrase !== undefined && { passphrase: asSecret(tls.passphrase).reveal() }),
    // Set explicitly, because an environment variable (NODE_TLS_REJECT_UNAUTHORIZED) can make Node trust
    // every server.
    rejectUnauthorized: true,
    ...(tls.checkServerName === false && { checkServerIdentity: () => undefined }),
  };
  if (problems.length > before) return options;
  try {
    createSecureContext(options);
  } catch (error) {
    problems.push(
      `a key that cannot be used: the passphrase is wrong or missing, or the key does not belong to the certificate (${messageOf(error)})`,
    );
  }
  return options;
}

function pemOf(name: string, kind: string, pem: Pem | Secret | undefined, problems: string[]): string | undefined {
  if (pem === undefined) return undefined;
  const file = typeof pem === 'object' && 'file' in pem ? pem.file : undefined;
  const where = file === undefined ? name : `${name} file ${file}`;
  let text: string;
  try {
    text = file === undefined ? asSecret(pem as string | Secret).reveal() : readFileSync(file, 'utf8');
  } catch (error) {
    problems.push(`a ${where} that cannot be read (${(error as NodeJS.ErrnoException).code ?? messageOf(error)})`);
    return undefined;
  }
  const blocks = text.match(new RegExp(`-----BEGIN ([A-Z ]* )?${kind}-----[^-]*-----END`, 'g'));
  if (blocks === null) problems.push(`a ${where} that is not PEM: no "-----BEGIN ${kind}-----" in it`);
  // OpenSSL skips authorities that it cannot parse.
  else if (kind === 'CERTIFICATE' && !blocks.every((block) => isCertificate(`${block} CERTIFICATE-----\n`)))
    problems.push(`a ${where} with a certificate that cannot be read`);
  else return text;
  return undefined;
}

function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem) !== undefined;
  } catch {
    return false;
  }
}
