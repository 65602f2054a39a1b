"""A gRPC service and its client, for the tests of gRPC through the gateway. Messages are plain bytes.

`peer.py serve` prints its port. `peer.py call ADDRESS PREFIX TOKEN` prints what came of each kind of call, as JSON.
"""

import concurrent.futures
import json
import sys
import threading

import grpc


class Service(grpc.GenericRpcHandler):
    """Every kind of call, whatever the package is called."""

    def service(self, details):
        name = details.method.rsplit("/", 1)[-1]
        return {
            "Unary": grpc.unary_unary_rpc_method_handler(self.unary),
            "Fail": grpc.unary_unary_rpc_method_handler(self.fail),
            "Count": grpc.unary_stream_rpc_method_handler(self.count),
            "Sum": grpc.stream_unary_rpc_method_handler(self.sum),
            "Chat": grpc.stream_stream_rpc_method_handler(self.chat),
        }.get(name)

    def unary(self, request, context):
        fields = dict(context.invocation_metadata())
        context.set_trailing_metadata((("x-trailer", "at the end"),))
        subject = fields.get("x-auth-subject", "-")
        leaked = any("eyJ" in str(value) for value in fields.values())
        return b"%s|%s|%s" % (request, subject.encode(), b"leaked" if leaked else b"clean")

    def fail(self, request, context):
        context.abort(grpc.StatusCode.FAILED_PRECONDITION, "not in this state: " + request.decode())

    def count(self, request, context):
        for number in range(int(request)):
            yield str(number).encode()

    def sum(self, requests, context):
        return str(sum(int(request) for request in requests)).encode()

    def chat(self, requests, context):
        for request in requests:
            yield b"echo " + request


def serve():
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(8), handlers=(Service(),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    server.wait_for_termination()


def outcome(call):
    try:
        return {"code": "OK", "answer": call()}
    except grpc.RpcError as error:
        initial = dict(error.initial_metadata() or ()) if hasattr(error, "initial_metadata") else {}
        trailing = dict(error.trailing_metadata() or ())
        fields = {name: value for name, value in {**initial, **trailing}.items() if isinstance(value, str)}
        return {"code": error.code().name, "detail": error.details(), "fields": fields}


def chat(channel, method, metadata):
    """Each message is sent after the answer to the one before: nothing is held back on the way."""
    answered = threading.Semaphore(1)

    def messages():
        for number in range(5):
            if not answered.acquire(timeout=5):
                return
            yield str(number).encode()

    heard = []
    for answer in channel.stream_stream(method)(messages(), metadata=metadata, timeout=10):
        heard.append(answer.decode())
        answered.release()
    return heard


def call(address, prefix, token):
    metadata = (("authorization", "Bearer " + token),) if token else ()
    options = {"metadata": metadata, "timeout": 10}
    with grpc.insecure_channel(address, options=(("grpc.enable_http_proxy", 0),)) as channel:

        def unary():
            answer, state = channel.unary_unary(prefix + "/Unary").with_call(b"hello", **options)
            trailers = dict(state.trailing_metadata())
            return [answer.decode(), trailers.get("x-trailer")]

        numbers = (str(number).encode() for number in range(100))
        outcomes = {
            "unary": outcome(unary),
            "fail": outcome(lambda: channel.unary_unary(prefix + "/Fail")(b"x", **options)),
            "count": outcome(lambda: len(list(channel.unary_stream(prefix + "/Count")(b"1000", **options)))),
            "sum": outcome(lambda: channel.stream_unary(prefix + "/Sum")(numbers, **options).decode()),
            "chat": outcome(lambda: chat(channel, prefix + "/Chat", metadata)),
            "missing": outcome(lambda: channel.unary_unary(prefix + "/Nothing")(b"", **options)),
        }
    print(json.dumps(outcomes), flush=True)


if sys.argv[1] == "serve":
    serve()
else:
    call(*sys.argv[2:5])
