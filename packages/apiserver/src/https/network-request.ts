// A request as it came from the network. User and body follow, when they are known.

import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import type { ApiRequest, UserInfo } from "@vivarium/api";
import { methodNotAllowed } from "../errors.ts";
import type { CallerSignal } from "./caller-signal.ts";

type Headers = ApiRequest["headers"];

const methods: ReadonlySet<string> = new Set(["GET", "POST", "PUT", "PATCH", "DELETE"]);
const nothing = new Uint8Array();
const nobodyYet: UserInfo = { name: "", groups: [] };
const noQuery = new URLSearchParams();

/** Throws MethodNotAllowed. */
export function networkRequest(incoming: IncomingMessage, caller: CallerSignal): NetworkRequest {
  const method = incoming.method ?? "GET";
  if (!isMethod(method)) throw methodNotAllowed();
  return new NetworkRequest(method, incoming, caller);
}

/** A class, for the getter: in an object of its own it would cost more than all other fields. */
class NetworkRequest implements ApiRequest {
  readonly method: ApiRequest["method"];
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: Headers;
  readonly sourceIp?: string;
  body: Uint8Array = nothing;
  user: UserInfo = nobodyYet;
  readonly #caller: CallerSignal;

  constructor(method: ApiRequest["method"], incoming: IncomingMessage, caller: CallerSignal) {
    const { url = "/" } = incoming;
    const mark = url.indexOf("?");
    this.method = method;
    this.path = mark < 0 ? url : url.slice(0, mark);
    this.query = mark < 0 ? noQuery : new URLSearchParams(url.slice(mark + 1));
    this.headers = headersOf(incoming.headers);
    const sourceIp = incoming.socket.remoteAddress;
    if (sourceIp !== undefined) this.sourceIp = sourceIp;
    this.#caller = caller;
  }

  get signal(): AbortSignal {
    return this.#caller.signal;
  }
}

function isMethod(method: string): method is ApiRequest["method"] {
  return methods.has(method);
}

function headersOf(headers: IncomingHttpHeaders): Headers {
  if (areTexts(headers)) return headers;
  const { "set-cookie": cookies = [], ...rest } = headers;
  return { ...headersOf(rest), "set-cookie": cookies.join(", ") };
}

/** Node gives a list for one header only, which no request has a reason to send. */
function areTexts(headers: IncomingHttpHeaders): headers is Record<string, string | undefined> {
  return headers["set-cookie"] === undefined;
}
