import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** What `openssl` made in a directory, as files in PEM. */
export interface Certificates {
  /** Signed the broker's and the client's. */
  readonly authority: string;
  /** Signed nothing. */
  readonly stranger: string;
  /** Key and certificate of the broker, in one file, for the name `localhost` alone. */
  readonly broker: string;
  readonly clientCertificate: string;
  readonly clientKey: string;
  /** The same, encrypted with {@link PASSPHRASE}. */
  readonly encryptedKey: string;
}

export const PASSPHRASE = 'open sesame 4711';
const OPENSSL = 'openssl';
const DAYS = '2';

/** Two authorities, and certificates of one of them for a broker at `localhost` and for a client named `client`. */
export function makeCertificates(directory: string): Certificates {
  const path = (name: string): string => join(directory, name);
  const openssl = (...args: readonly string[]): string => {
    try {
      return execFileSync(OPENSSL, args, { cwd: directory, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      throw new Error('these tests make certificates with openssl, which is not installed');
    }
  };
  const authority = (name: string): void => {
    openssl(
      ...['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', DAYS, '-subj', `/CN=${name}`],
      ...['-keyout', `${name}.key`, '-out', `${name}.pem`],
    );
  };
  const certificate = (name: string, extensions: string): void => {
    const subject = ['-subj', `/CN=${name}`];
    openssl('req', '-newkey', 'rsa:2048', '-nodes', ...subject, '-keyout', `${name}.key`, '-out', `${name}.csr`);
    writeFileSync(path(`${name}.ext`), extensions);
    openssl(
      ...['x509', '-req', '-in', `${name}.csr`, '-CA', 'authority.pem', '-CAkey', 'authority.key', '-CAcreateserial'],
      ...['-days', DAYS, '-extfile', `${name}.ext`, '-out', `${name}.pem`],
    );
  };
  authority('authority');
  authority('stranger');
  certificate('broker', 'subjectAltName=DNS:localhost');
  certificate('client', 'extendedKeyUsage=clientAuth');
  writeFileSync(
    path('broker-store.pem'),
    openssl('pkcs8', '-topk8', '-nocrypt', '-in', 'broker.key') + openssl('x509', '-in', 'broker.pem'),
  );
  openssl('pkcs8', '-topk8', '-in', 'client.key', '-out', 'encrypted.key', '-passout', `pass:${PASSPHRASE}`);
  return {
    authority: path('authority.pem'),
    stranger: path('stranger.pem'),
    broker: path('broker-store.pem'),
    clientCertificate: path('client.pem'),
    clientKey: path('client.key'),
    encryptedKey: path('encrypted.key'),
  };
}
