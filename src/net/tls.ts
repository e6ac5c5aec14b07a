import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { type ConnectionOptions, createSecureContext } from 'node:tls';
import { messageOf } from '../model/errors.js';
import { asSecret, type Secret } from '../model/secret.js';

/** A text in PEM, or the file that holds it (relative to the working directory). */
export type Pem = string | { readonly file: string };

/**
 * How a connection is encrypted, and how both sides know each other. `{}` is enough for servers whose
 * certificates a public authority has signed.
 */
export interface Tls {
  /** Certificates of the authorities that are trusted, instead of those that Node trusts. */
  readonly ca?: Pem;
  /** Says who this client is, to servers that ask for it; with `key`. */
  readonly certificate?: Pem;
  /** Private key of the certificate. */
  readonly key?: Pem | Secret;
  /** Of the private key, if it is encrypted. */
  readonly passphrase?: string | Secret;
  /** Whether the server's certificate must be for the name it was reached by. Default true. */
  readonly checkServerName?: boolean;
}

/**
 * Reads the files and checks what can be checked without a server; what is wrong is added to the problems.
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
    // Said here, because an environment variable can make Node trust everybody.
    rejectUnauthorized: true,
    ...(tls.checkServerName === false && { checkServerIdentity: () => undefined }),
  };
  if (problems.length > before) return options;
  try {
    createSecureContext(options);
  } catch (error) {
    problems.push(
      `a key that cannot be used: the passphrase is wrong or missing, or it is not that of the certificate (${messageOf(error)})`,
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
  // OpenSSL passes over authorities that it cannot read.
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
