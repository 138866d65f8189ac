// What the server counts, under the names that kube-apiserver gives it, so that its dashboards and alerts fit. Histograms keep a child per
// kind of request; counters are numbers here and become metrics when somebody asks: an event goes to a thousand watchers.

import { Counter, Gauge, Histogram, type Registry } from "prom-client";
import type { Attributes } from "../authorization/attributes.ts";
import type { FlowControl } from "../flow/flow-control.ts";
import type { RejectReason } from "../flow/priority-level.ts";

const requestLabels = ["verb", "group", "version", "resource", "subresource", "scope"] as const;
type RequestLabels = Readonly<Record<(typeof requestLabels)[number], string>>;

export type StoreOperation = "get" | "list" | "put" | "delete";

interface RequestMeter {
  readonly labels: RequestLabels;
  readonly seconds: Histogram.Internal<(typeof requestLabels)[number]>;
  readonly bytes: Histogram.Internal<(typeof requestLabels)[number]>;
  readonly byCode: Map<number, number>;
}

interface WatcherMeter {
  readonly labels: Readonly<Record<"group" | "version" | "resource", string>>;
  watchers: number;
  events: number;
}

export class ServerMetrics {
  readonly #seconds: Histogram<(typeof requestLabels)[number]>;
  readonly #bytes: Histogram<(typeof requestLabels)[number]>;
  readonly #meters = new Map<string, RequestMeter>();
  readonly #storeSeconds: Readonly<Record<StoreOperation, Histogram.Internal<"operation">>>;
  readonly #rejected: Counter<"priority_level" | "reason">;
  #flows: FlowControl | undefined;
  #mutating = 0;
  #reading = 0;
  readonly #watchers = new Map<string, WatcherMeter>();

  constructor(registry: Registry) {
    const registers = [registry];
    this.#seconds = new Histogram({
      name: "apiserver_request_duration_seconds",
      help: "Time to the answer, or to its first bytes where it is a stream; watches excepted.",
      labelNames: requestLabels,
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60],
      registers,
    });
    this.#bytes = new Histogram({
      name: "apiserver_response_sizes",
      help: "Bytes of answers that are given in one piece.",
      labelNames: requestLabels,
      buckets: [1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9],
      registers,
    });
    const storeSeconds = new Histogram({
      name: "etcd_request_duration_seconds",
      help: "Latency of the store, whichever it is, by operation.",
      labelNames: ["operation"],
      buckets: [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
      registers,
    });
    this.#storeSeconds = {
      get: storeSeconds.labels("get"),
      list: storeSeconds.labels("list"),
      put: storeSeconds.labels("put"),
      delete: storeSeconds.labels("delete"),
    };
    this.#rejected = new Counter({
      name: "apiserver_flowcontrol_rejected_requests_total",
      help: "Requests that were refused with 429.",
      labelNames: ["priority_level", "reason"],
      registers,
    });
    this.#counters(registry);
    this.#gauges(registry);
  }

  /** Counts a request; call the result with its answer. */
  start(attributes: Attributes): (answer: { readonly code: number; readonly bytes: number | undefined }) => void {
    const from = performance.now();
    const isReading = attributes.verb === "get" || attributes.verb === "list" || attributes.verb === "watch";
    if (isReading) this.#reading++;
    else this.#mutating++;
    return ({ code, bytes }) => {
      if (isReading) this.#reading--;
      else this.#mutating--;
      const meter = this.#meterOf(attributes);
      meter.byCode.set(code, (meter.byCode.get(code) ?? 0) + 1);
      if (attributes.verb !== "watch") meter.seconds.observe((performance.now() - from) / 1000);
      if (bytes !== undefined) meter.bytes.observe(bytes);
    };
  }

  /** One watcher more; `sent` counts its events. */
  watcher(resource: { readonly group: string; readonly version: string; readonly plural: string }): WatcherCount {
    const { group, version, plural } = resource;
    const labels = { group, version, resource: plural };
    const key = `${group}/${version}/${plural}`;
    const meter = this.#watchers.get(key) ?? { labels, watchers: 0, events: 0 };
    this.#watchers.set(key, meter);
    meter.watchers++;
    return new WatcherCount(meter);
  }

  storeTook(operation: StoreOperation, seconds: number): void {
    this.#storeSeconds[operation].observe(seconds);
  }

  rejected(level: string, reason: RejectReason): void {
    this.#rejected.inc({ priority_level: level, reason });
  }

  watchFlows(flows: FlowControl): void {
    this.#flows = flows;
  }

  #counters(registry: Registry): void {
    const registers = [registry];
    const meters = () => this.#meters.values();
    const watchers = () => this.#watchers.values();
    // Kept by the registry, which asks them when somebody asks the registry.
    void new Counter({
      name: "apiserver_request_total",
      help: "Requests by verb, resource and HTTP code.",
      labelNames: [...requestLabels, "code"],
      registers,
      collect() {
        this.reset();
        for (const { labels, byCode } of meters())
          for (const [code, count] of byCode) this.inc({ ...labels, code: String(code) }, count);
      },
    });
    void new Counter({
      name: "apiserver_watch_events_total",
      help: "Events sent to watchers.",
      labelNames: ["group", "version", "resource"],
      registers,
      collect() {
        this.reset();
        for (const { labels, events } of watchers()) if (events > 0) this.inc(labels, events);
      },
    });
  }

  #gauges(registry: Registry): void {
    const registers = [registry];
    const inFlight = () => ({ mutating: this.#mutating, readOnly: this.#reading });
    const watchers = () => this.#watchers.values();
    const levels = () => this.#flows?.levels ?? [];
    void new Gauge({
      name: "apiserver_current_inflight_requests",
      help: "Requests that are being answered.",
      labelNames: ["request_kind"],
      registers,
      collect() {
        for (const [kind, count] of Object.entries(inFlight())) this.set({ request_kind: kind }, count);
      },
    });
    void new Gauge({
      name: "apiserver_longrunning_requests",
      help: "Watches that stand.",
      labelNames: ["verb", "group", "version", "resource"],
      registers,
      collect() {
        for (const meter of watchers()) this.set({ verb: "WATCH", ...meter.labels }, meter.watchers);
      },
    });
    void new Gauge({
      name: "apiserver_flowcontrol_current_executing_requests",
      help: "Requests that have a turn.",
      labelNames: ["priority_level"],
      registers,
      collect() {
        for (const level of levels()) this.set({ priority_level: level.name }, level.executing);
      },
    });
    void new Gauge({
      name: "apiserver_flowcontrol_current_inqueue_requests",
      help: "Requests that wait for a turn.",
      labelNames: ["priority_level"],
      registers,
      collect() {
        for (const level of levels()) this.set({ priority_level: level.name }, level.waiting);
      },
    });
  }

  #meterOf(attributes: Attributes): RequestMeter {
    const key = keyOf(attributes);
    const known = this.#meters.get(key);
    if (known !== undefined) return known;
    const labels = labelsOf(attributes);
    const meter = {
      labels,
      seconds: this.#seconds.labels(labels),
      bytes: this.#bytes.labels(labels),
      byCode: new Map<number, number>(),
    };
    this.#meters.set(key, meter);
    return meter;
  }
}

/** One watcher's part in the figures of its kind. */
class WatcherCount {
  readonly #meter: WatcherMeter;

  constructor(meter: WatcherMeter) {
    this.#meter = meter;
  }

  sent(events: number): void {
    this.#meter.events += events;
  }

  end(): void {
    this.#meter.watchers--;
  }
}

function keyOf(attributes: Attributes): string {
  if (attributes.type === "path") return attributes.verb;
  const { verb, group, version, resource, subresource } = attributes;
  return `${verb} ${group}/${version}/${resource}/${subresource} ${scopeOf(attributes)}`;
}

/** Paths that are no resource's are not told apart: a client could make up any number of them. */
function labelsOf(attributes: Attributes): RequestLabels {
  const verb = attributes.verb.toUpperCase();
  if (attributes.type === "path") return { verb, group: "", version: "", resource: "", subresource: "", scope: "" };
  const { group, version, resource, subresource } = attributes;
  return { verb, group, version, resource, subresource, scope: scopeOf(attributes) };
}

function scopeOf(attributes: Attributes): string {
  if (attributes.type === "path") return "";
  if (attributes.name !== "" || attributes.verb === "create") return "resource";
  return attributes.namespace === "" ? "cluster" : "namespace";
}
