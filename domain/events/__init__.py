"""Every fact the record can hold, a module a stream. Names and versions stand in ``tocsin.domain.catalog``."""
