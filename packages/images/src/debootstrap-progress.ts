// Reads the talk of mmdebstrap and apt, and says how far a build is.

const installRun = /^\d+ upgraded, (\d+) newly installed/;

export class BuildProgress {
  /** Packages known of so far: apt is run for the essential ones first, then for the rest. */
  #packages = 0;
  #setUp = 0;
  #message = "fetching package lists";

  /** True when the line changed what is to be told. */
  read(line: string): boolean {
    const newPackages = installRun.exec(line)?.[1];
    if (newPackages !== undefined) {
      this.#packages += Number(newPackages);
      this.#message = `fetching ${newPackages} packages`;
      return true;
    }
    if (line.startsWith("Setting up ")) {
      this.#setUp = Math.min(this.#setUp + 1, this.#packages);
      this.#message = `installing packages, ${this.#setUp} of ${this.#packages} set up`;
      return true;
    }
    return false;
  }

  get message(): string {
    return this.#message;
  }
}
