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
} from './login/options.js';
export { kafkaOptionsFromEnv } from './login/properties.js';
