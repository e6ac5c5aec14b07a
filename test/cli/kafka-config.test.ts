import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { main } from '#src/cli/main.js';
import { projectFile, temporaryDirectory } from '../support/project.js';
import { testIo } from './test-io.js';

const MARKER = 'swordfish';

describe('millrace with --kafka-config', () => {
  /** Runs a command that needs a broker in a directory with that file. */
  async function run(args: string, text: string, env: Record<string, string> = {}) {
    const cwd = temporaryDirectory();
    writeFileSync(join(cwd, 'client.properties'), text);
    const io = testIo({ cwd, env });
    const code = await main([...args.split(' '), '--verbose'], io);
    assert.ok(!(io.errors() + io.output()).includes(MARKER), io.errors());
    return { code, errors: io.errors() };
  }

  const topology = projectFile('test/fixtures/esm-project/topology.ts');
  for (const command of ['consume things', 'produce things', `run --no-check ${topology}`]) {
    it(`says what is wrong in the file, and shows nothing secret: ${command.split(' ')[0]}`, async () => {
      const args = `${command} --broker kafka://127.0.0.1:1 --kafka-config client.properties`;
      const { code, errors } = await run(args, `sasl.pasword=${MARKER}\nsecurity.protocol=SASL_SSL`);
      assert.equal(code, 2);
      assert.match(errors, /CONFIG_INVALID.*write sasl\.password.*no sasl\.mechanism/);
    });
  }

  it('reads the file that MILLRACE_KAFKA_CONFIG names, and the environment over it', async () => {
    const { code, errors } = await run('consume things --broker kafka://127.0.0.1:1', '', {
      MILLRACE_KAFKA_CONFIG: '/nowhere/client.properties',
      KAFKA_SASL_PASSWORD: MARKER,
    });
    assert.equal(code, 2);
    assert.match(errors, /\/nowhere\/client\.properties.*cannot be read \(ENOENT\).*PLAINTEXT has no login/);
  });

  it('USAGE for a broker that is not Kafka', async () => {
    const { code, errors } = await run('consume things --kafka-config client.properties', '');
    assert.equal(code, 2);
    assert.match(errors, /USAGE: cannot use --kafka-config.*kafka:\/\//);
  });

  it('needs no Kafka in the environment of other brokers', async () => {
    const { errors } = await run('consume things', '', { MILLRACE_KAFKA_CONFIG: '/nowhere/client.properties' });
    assert.match(errors, /BROKER_UNAVAILABLE: there is no broker at embedded:/);
  });

  it('fails at brokers that are not there with exit code 3, and shows nothing secret', async () => {
    const login = 'security.protocol=SASL_PLAINTEXT\nsasl.mechanism=PLAIN\nsasl.username=ada\nsasl.password=swordfish';
    const args = 'consume things --broker kafka://127.0.0.1:1 --kafka-config client.properties';
    const { code, errors } = await run(args, login);
    assert.equal(code, 3);
    assert.match(errors, /BROKER_UNAVAILABLE/);
  });
});
