import click


@click.group()
@click.version_option(package_name="tocsin")
def main() -> None:
    """Tocsin, the push engine whose history can be proven."""
