import assert from 'node:assert/strict';
import { openKafkaBroker } from '#src/broker/kafkajs/broker.js';
import { systemClock } from '#src/runtime/config/system.js';
import { jsonLines, type Project, useProjects } from '../cli/support.js';
import { MARKER, password, type SecureKafka, startSecureKafka } from './support/secure-cluster.js';
import { describeWithKafkaJars } from './support/suites.js';

describeWithKafkaJars('millrace on a cluster with TLS and logins', () => {
  const project = useProjects();
  let kafka: SecureKafka;
  before(async function () {
    this.timeout(200_000);
    kafka = await startSecureKafka();
  });
  after(() => kafka?.stop());

  /** A project with a client.properties, and what a command needs to use it. */
  function configured(user: string, secret: string): { readonly made: Project; readonly options: string } {
    const made = project('esm-project');
    made.write(
      'client.properties',
      [
        'security.protocol=SASL_SSL',
        'sasl.mechanism=SCRAM-SHA-512',
        `sasl.username=${user}`,
        `sasl.password=${secret}`,
        `ssl.ca.location=${kafka.certificates.authority}`,
      ].join('\n'),
    );
    return { made, options: `--broker kafka://${kafka.saslTls} --kafka-config client.properties --verbose` };
  }

  it('feeds, runs and prints as it does on the embedded broker', async () => {
    const broker = await openKafkaBroker({ brokers: [kafka.plain], clock: systemClock });
    await broker.admin.createTopics(['payments', 'totals'].map((name) => ({ name, partitions: 1 })));
    await broker.close();
    const { made, options } = configured('alice', password('alice'));
    const sent = await made.millrace(`produce payments payments.jsonl --key account --timestamp at ${options}`);
    assert.equal(sent.code, 0, sent.stderr);
    const run = await made.millrace(`run topology.ts --until-idle --print totals ${options}`);
    assert.equal(run.code, 0, run.stderr);
    assert.ok(!(sent.stderr + run.stderr).includes(MARKER), run.stderr);
    assert.deepEqual(
      jsonLines(run.stdout).map(({ key, value }) => [key, value]),
      [
        ['alice', 10],
        ['bob', 5],
        ['alice', 17],
      ],
    );
    const consumed = await made.lines(`consume totals --until-end ${options}`);
    assert.deepEqual(
      consumed.map(({ key }) => key),
      ['alice', 'bob', 'alice'],
    );
  });

  for (const command of ['consume things', 'produce things', 'run topology.ts --no-check']) {
    it(`is refused with another password at once, and shows neither: ${command.split(' ')[0]}`, async () => {
      const { made, options } = configured('alice', `${MARKER}-but-another`);
      const { code, stdout, stderr } = await made.millrace(`${command} ${options}`);
      assert.equal(code, 3, stderr);
      assert.match(stderr, /BROKER_UNAUTHENTICATED: .*SCRAM-SHA-512 as alice refused/);
      assert.ok(!(stdout + stderr).includes(MARKER), stderr);
    });
  }

  it('names the rights that a user has not got', async () => {
    const { made, options } = configured('bob', password('bob'));
    const { code, stderr } = await made.millrace(`produce hidden ${options}`, '{}');
    assert.equal(code, 3, stderr);
    assert.match(stderr, /BROKER_UNAUTHORIZED: .*Describe on topic hidden/);
    assert.ok(!stderr.includes(MARKER), stderr);
  });
});
