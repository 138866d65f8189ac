// /version: the Kubernetes API level that clients may expect.

export const versionInfo = {
  major: "1",
  minor: "34",
  gitVersion: "v1.34.0+vivarium",
  gitCommit: "",
  gitTreeState: "clean",
  buildDate: "1970-01-01T00:00:00Z",
  goVersion: "",
  compiler: "node",
  platform: `${process.platform}/${process.arch === "x64" ? "amd64" : process.arch}`,
} as const;
