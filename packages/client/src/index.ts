// The client of the API: typed calls over a transport. Inside the server's process that is the handler itself; elsewhere HTTPS, by
// kubeconfig. A failed call throws StatusError (the server's answer) or ConnectionError (there was none).

export * from "./client.ts";
export * from "./connection-error.ts";
export * from "./create-client.ts";
export * from "./create-client-from-kubeconfig.ts";
export * from "./https-transport.ts";
export * from "./in-process-transport.ts";
export * from "./kubeconfig.ts";
export * from "./kubeconfig-error.ts";
export * from "./resource-path.ts";
export * from "./transport.ts";
