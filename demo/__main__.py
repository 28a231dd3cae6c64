"""The demo shop by command: serve, advance, truth."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

from demo.errors import ShopError
from demo.shop import Shop


def main(arguments: list[str] | None = None) -> int:
    """Run a command; returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except ShopError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        return 0
    except BrokenPipeError:
        sys.stdout = None
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--directory", type=Path, default=Path("var/shop"))
    shared.add_argument("--seed", type=int, default=7)
    shared.add_argument("--scale", type=float, default=1.0)
    shared.add_argument("--database-url", help="PostgreSQL or MySQL for the orders")
    commands = parser.add_subparsers(required=True)
    serve = commands.add_parser("serve", parents=[shared], help="keep the shop open until Ctrl-C")
    serve.add_argument("--api-port", type=int, default=8765)
    serve.add_argument("--redis-port", type=int, default=6390)
    serve.set_defaults(run=_serve)
    advance = commands.add_parser("advance", parents=[shared], help="move on by one day")
    advance.set_defaults(run=_advance)
    truth = commands.add_parser("truth", parents=[shared], help="print what must be where")
    truth.add_argument("--day", type=int, help="after days 1 to this one; by default all")
    truth.set_defaults(run=_truth)
    return parser


def _shop(options: argparse.Namespace, **ports: int) -> Shop:
    return Shop(
        options.directory,
        seed=options.seed,
        scale=options.scale,
        database_url=options.database_url,
        **ports,
    )


def _serve(options: argparse.Namespace) -> int:
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    ports = {"api_port": options.api_port, "redis_port": options.redis_port}
    with _shop(options, **ports) as shop:
        if shop.day == 0:
            shop.advance()
        for name, value in shop.environment().items():
            sys.stdout.write(f"export {name}='{value}'\n")
        sys.stdout.flush()
        signal.pause()
    return 0


def _advance(options: argparse.Namespace) -> int:
    sys.stdout.write(f"day {_shop(options).advance()}\n")
    return 0


def _truth(options: argparse.Namespace) -> int:
    from demo.truth import truth

    shop = _shop(options)
    with truth(shop.directory, options.day or shop.day) as connection:
        for table in ("raw_counts", "rejects", "staging_counts", "quarantine_counts"):
            for row in connection.sql(f"select * from truth.{table} order by all").fetchall():
                sys.stdout.write(f"{table}\t" + "\t".join(map(str, row)) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
