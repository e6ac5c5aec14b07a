import {
  aggregate,
  count,
  filterValues,
  hopping,
  mapValues,
  serdes,
  to,
  topology,
  tumbling,
  type Windowed,
} from 'millrace';
import { filter } from 'rxjs';

export interface Request {
  readonly site: string;
  readonly status: number;
  readonly bytes: number;
}

export interface Traffic {
  readonly requests: number;
  readonly errors: number;
  readonly bytes: number;
}

/** Servers deliver their logs within seconds. What takes longer than this is late. */
const GRACE = '10s';
/** So many failures of a site within five minutes are an incident. */
const INCIDENT = 12;

const perSite = { key: serdes.windowed(serdes.string), value: serdes.json<Traffic>() };
const minute = ({ start }: Windowed<string>): string => new Date(start).toISOString().slice(0, 16);

export default topology('windowed-traffic', (t) => {
  const requests = t.stream('requests', { key: serdes.string, value: serdes.json<Request>() });

  requests.pipe(
    aggregate({
      store: 'traffic',
      value: serdes.json<Traffic>(),
      window: tumbling('1m', { grace: GRACE, retention: '1d' }),
      // One record a site and minute, when nothing can be added to it any more.
      emit: 'onClose',
      // What comes later is not in it: it is kept, to be looked at.
      late: 'deadLetter',
      initial: () => ({ requests: 0, errors: 0, bytes: 0 }),
      add: (sum, { value: { status, bytes } }) => ({
        requests: sum.requests + 1,
        errors: sum.errors + (status >= 500 ? 1 : 0),
        bytes: sum.bytes + bytes,
      }),
    }),
    to('traffic-per-minute', perSite),
  );

  requests.pipe(
    filter((request) => request.value.status >= 500),
    count({ store: 'failures', window: hopping('5m', { every: '1m', grace: GRACE }), emit: 'onClose' }),
    filterValues((failures) => failures >= INCIDENT),
    mapValues((failures, window) => `${window.key}: ${failures} failures in the five minutes from ${minute(window)}`),
    to('incidents', { key: perSite.key, value: serdes.string }),
  );
});
