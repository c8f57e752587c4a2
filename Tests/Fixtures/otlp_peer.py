"""otlp_peer.py < REQUEST: reads a request for traces as OpenTelemetry's own package for Python does, strictly, and
prints the names of its spans, one a line. The package reads ids in base64, as protobuf's JSON has them; OTLP has them in
hex."""

import base64
import json
import sys

from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

request = json.load(sys.stdin)
for group in request["resourceSpans"]:
    for scope in group["scopeSpans"]:
        for span in scope["spans"]:
            for key in ("traceId", "spanId", "parentSpanId"):
                if key in span:
                    span[key] = base64.b64encode(bytes.fromhex(span[key])).decode()
read = json_format.ParseDict(request, ExportTraceServiceRequest())
for group in read.resource_spans:
    for scope in group.scope_spans:
        for span in scope.spans:
            assert len(span.trace_id) == 16 and len(span.span_id) == 8, span
            assert 0 < span.start_time_unix_nano <= span.end_time_unix_nano, span
            print(span.name)
