// An app in TypeScript: it uploads a table, describes it, and asks a model. The types are made of the gateway's OpenAPI.
import createClient from "openapi-fetch";
import type { paths } from "./stoker.js";

const stoker = createClient<paths>({
  baseUrl: process.env.GATEWAY!,
  headers: { Authorization: `Bearer ${process.env.KEY}` },
});

const file = await stoker.POST("/v1/files", {
  params: { query: { name: "flowers.csv" } },
  body: "petal,kind\n1.4,a\n5.1,b\n" as never, // its bytes as they are, for which the types have a string
  bodySerializer: (text) => text,
  headers: { "Content-Type": "application/octet-stream" },
});
if (!file.data) throw new Error(JSON.stringify(file.error));

const job = await stoker.POST("/v1/jobs", {
  params: { header: { prefer: "wait=20" } },
  body: { kind: "describe", data: file.data.ref, device: "cpu" },
});
if (!job.data) throw new Error(JSON.stringify(job.error));

const predicted = await stoker.POST("/v1/models/{ref}/predict", {
  params: { path: { ref: "blooms" } },
  body: { rows: [[5.1, 3.5, 1.4, 0.2]], timeout: 200 },
});
if (!predicted.data) throw new Error(JSON.stringify(predicted.error));

const none = await stoker.GET("/v1/jobs/{job_id}", { params: { path: { job_id: "none" } } });

console.log(
  JSON.stringify({
    job: job.data.id,
    kind: job.data.kind,
    predictions: predicted.data.predictions.length,
    refused: none.error?.code,
  }),
);
