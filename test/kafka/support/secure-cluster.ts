import { pbkdf2Sync, randomBytes } from 'node:crypto';
import kafkajs, { type AclEntry } from 'kafkajs';
import type { Request } from '#src/broker/kafkajs/wire/request.js';
import { nextTurn } from '#src/runtime/config/system.js';
import { type Certificates, makeCertificates } from '../../support/certificates.js';
import { temporaryDirectory } from '../../support/project.js';
import { freePort, startFromJars } from './jars.js';
import { connect } from './raw-requests.js';

/** The listeners of a broker. */
interface Ports {
  readonly plain: number;
  readonly saslTls: number;
  readonly tls: number;
  readonly sasl: number;
}

async function freePorts(): Promise<Ports> {
  const port = await freePort(4);
  return { plain: port, saslTls: port + 1, tls: port + 2, sasl: port + 3 };
}

/** Appears in every password, so that it can be looked for in what is printed. */
export const MARKER = 'swordfish';
export const password = (user: string): string => `${MARKER}-of-${user}`;

/** Those who may do everything, by how they are known. */
const SUPER_USERS = ['ANONYMOUS', 'alice', 'CN=client'];

/** A token that nobody has signed, for a broker that asks for no signature. */
export function unsignedToken(user: string): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const now = Date.now() / 1_000;
  return `${part({ alg: 'none' })}.${part({ sub: user, iat: now - 10, exp: now + 3_600 })}.`;
}

export interface SecureKafka {
  readonly certificates: Certificates;
  /** Addresses of the listeners. All but the first demand that a client says who it is. */
  readonly plain: string;
  readonly saslTls: string;
  readonly tls: string;
  readonly sasl: string;
  /** Lets a user do something. */
  allow(user: string, rights: readonly Right[]): Promise<void>;
  stop(): Promise<void>;
}

export type Right = readonly [
  operation: string,
  resource: 'topic' | 'group' | 'transactional id' | 'cluster',
  name: string,
];

/**
 * A broker with access control lists and four listeners: PLAINTEXT, SASL_SSL, SSL with client certificates, and SASL_PLAINTEXT.
 *
 * `alice` may do everything, `bob` what a test allows; both log in by PLAIN and SCRAM, and whoever has a token by OAUTHBEARER.
 */
export async function startSecureKafka(): Promise<SecureKafka> {
  const certificates = makeCertificates(temporaryDirectory());
  const ports = await freePorts();
  const started = await startFromJars({ port: ports.plain, config: properties(certificates, ports) });
  const plain = `127.0.0.1:${ports.plain}`;
  await createUsers(plain, ['alice', 'bob']);
  const kafka = new kafkajs.Kafka({ brokers: [plain], logLevel: kafkajs.logLevel.NOTHING });
  const admin = kafka.admin();
  await admin.connect();
  return {
    certificates,
    plain,
    saslTls: `localhost:${ports.saslTls}`,
    tls: `localhost:${ports.tls}`,
    sasl: `127.0.0.1:${ports.sasl}`,
    allow: async (user, rights) => {
      const acl = rights.map((right) => entry(user, right));
      if (acl.length > 0) await admin.createAcls({ acl });
      // The broker hears of them a little later than its controller.
      for (const one of acl) while ((await admin.describeAcls(one)).resources.length === 0) await nextTurn();
    },
    stop: async () => {
      await admin.disconnect();
      await started.stop();
    },
  };
}

/** Lines of server.properties; they override those of kafka-up.sh. */
function properties({ authority, broker }: Certificates, ports: Ports): readonly string[] {
  const listeners = [
    `PLAINTEXT://127.0.0.1:${ports.plain}`,
    `SASL_SSL://localhost:${ports.saslTls}`,
    `SSL://localhost:${ports.tls}`,
    `SASL_PLAINTEXT://127.0.0.1:${ports.sasl}`,
  ];
  const users = ['alice', 'bob'].map((user) => `user_${user}="${password(user)}"`).join(' ');
  const login = (kind: string, options: string): string =>
    `org.apache.kafka.common.security.${kind}LoginModule required ${options};`;
  const sasl = ['sasl_ssl', 'sasl_plaintext'].flatMap((listener) => [
    `listener.name.${listener}.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER`,
    `listener.name.${listener}.plain.sasl.jaas.config=${login('plain.Plain', users)}`,
    `listener.name.${listener}.scram-sha-256.sasl.jaas.config=${login('scram.Scram', '')}`,
    `listener.name.${listener}.scram-sha-512.sasl.jaas.config=${login('scram.Scram', '')}`,
    // Takes tokens that nobody has signed.
    `listener.name.${listener}.oauthbearer.sasl.jaas.config=${login('oauthbearer.OAuthBearer', 'unsecuredLoginStringClaim_sub="broker"')}`,
  ]);
  return [
    `listeners=${[...listeners, `CONTROLLER://127.0.0.1:${ports.plain + 101}`].join(',').replaceAll('localhost', '127.0.0.1')}`,
    `advertised.listeners=${listeners.join(',')}`,
    'listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_SSL:SASL_SSL,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT',
    ...sasl,
    'ssl.keystore.type=PEM',
    `ssl.keystore.location=${broker}`,
    'ssl.truststore.type=PEM',
    `ssl.truststore.location=${authority}`,
    'listener.name.ssl.ssl.client.auth=required',
    'authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer',
    `super.users=${SUPER_USERS.map((user) => `User:${user}`).join(';')}`,
  ];
}

const SCRAM = [
  { mechanism: 1, digest: 'sha256', length: 32 },
  { mechanism: 2, digest: 'sha512', length: 64 },
] as const;
const ITERATIONS = 4_096;

/** AlterUserScramCredentials: what `kafka-storage format --add-scram` would do before the first start. */
async function createUsers(broker: string, users: readonly string[]): Promise<void> {
  const connections = await connect([broker]);
  // A request may change a user once.
  for (const scram of SCRAM) await connections.askAny(scramRequest(users, scram));
  await connections.close();
}

const scramRequest = (
  users: readonly string[],
  { mechanism, digest, length }: (typeof SCRAM)[number],
): Request<void> => ({
  apiKey: 51,
  apiVersion: 0,
  apiName: 'AlterUserScramCredentials',
  write: (to) =>
    to
      .noTags()
      .compactArray([], () => undefined)
      .compactArray(users, (user) => {
        const salt = randomBytes(16);
        to.compactString(user).int8(mechanism).int32(ITERATIONS);
        // An array of bytes is written as compact bytes are.
        for (const bytes of [salt, pbkdf2Sync(password(user), salt, ITERATIONS, length, digest)])
          to.compactArray([...new Int8Array(bytes)], (byte) => to.int8(byte));
        to.noTags();
      })
      .noTags(),
  read: (from) => {
    from.skipTags();
    from.int32();
    from.compactArray(() => {
      const user = from.compactText();
      const error = from.int16();
      const message = from.compactText();
      from.skipTags();
      if (error !== 0) throw new Error(`cannot create ${user}: ${error} ${message}`);
    });
  },
});

const RESOURCE_TYPES = { topic: 2, group: 3, cluster: 4, 'transactional id': 5 } as const;
const OPERATIONS: Readonly<Record<string, number>> = {
  Read: 3,
  Write: 4,
  Create: 5,
  Delete: 6,
  Alter: 7,
  Describe: 8,
  ClusterAction: 9,
  DescribeConfigs: 10,
  AlterConfigs: 11,
  IdempotentWrite: 12,
};

/** A name that ends in `*` stands for all that begin so. */
function entry(user: string, [operation, resource, name]: Right): AclEntry {
  return {
    principal: `User:${user}`,
    host: '*',
    operation: OPERATIONS[operation] as number,
    permissionType: 3,
    resourceType: RESOURCE_TYPES[resource],
    resourceName: name.replace(/\*$/, ''),
    resourcePatternType: name.endsWith('*') ? 4 : 3,
  };
}
