/**
 * How a connection to Kafka is described. `openBroker` of `millrace` opens it.
 *
 * @module millrace/kafka
 */

export type { Pem } from '../../net/tls.js';
export type {
  KafkaClientCredentials,
  KafkaOptions,
  KafkaPassword,
  KafkaSasl,
  KafkaSecurity,
  KafkaTls,
  KafkaToken,
  KafkaTokenFunction,
} from './options.js';
export { kafkaOptionsFromEnv } from './properties.js';
