// Makes a container, which Azurite begins without. Arguments: endpoint, account, key, container.
import { createHmac } from "node:crypto";

const [endpoint, account, key, container] = process.argv.slice(1);
const headers = { "x-ms-date": new Date().toUTCString(), "x-ms-version": "2021-12-02" };
const named = Object.entries(headers).map(([name, value]) => `${name}:${value}`);
const resource = `/${account}${new URL(endpoint).pathname}/${container}\nrestype:container`;
const text = ["PUT", ...Array(11).fill(""), ...named, resource].join("\n");
const signature = createHmac("sha256", Buffer.from(key, "base64")).update(text, "utf8").digest("base64");
const made = await fetch(`${endpoint}/${container}?restype=container`, {
  method: "PUT",
  headers: { ...headers, authorization: `SharedKey ${account}:${signature}` },
});
if (made.status !== 201) throw new Error(`${made.status}: ${await made.text()}`);
