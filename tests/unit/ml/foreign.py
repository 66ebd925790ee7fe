"""Forty files as Excel, R, databases, logs and SAP write them in several countries, each with its right reading.

They were written before their author had looked at the reader, and are no part of what its rules were tuned on.
"""

from __future__ import annotations

import bz2
import gzip
from dataclasses import dataclass


@dataclass(frozen=True)
class At:
    """A time: the cell as it is written, and what it means. A reader may leave it as text."""

    written: str
    meaning: str


@dataclass(frozen=True)
class Either:
    """A cell with more than one right reading."""

    values: tuple[object, ...]


def either(*values: object) -> Either:
    return Either(values)


YES, NO = True, False


@dataclass(frozen=True)
class File:
    """A messy file and the columns that a careful person reads from it; no columns: it is no table, to be refused."""

    name: str
    content: bytes
    columns: dict[str, list[object]]


def days(*cells: str) -> list[object]:
    """Cells of DD?MM?YYYY."""
    return [At(cell, f"{cell[6:10]}-{cell[3:5]}-{cell[0:2]}") for cell in cells]


FILES = (
    # Excel
    File(
        "umsatz.csv",
        "Filiale;Straße;Umsatz;Quote;Datum\r\n"
        "Köln;Große Allee 5;1.234,50 €;12,5 %;31.01.2024\r\n"
        "Münster;Am Bült 1;999,00 €;7,25 %;01.02.2024\r\n"
        "Zürich;Höhenweg 3;12.000,10 €;100 %;28.02.2024\r\n".encode("cp1252"),
        {
            "Filiale": ["Köln", "Münster", "Zürich"],
            "Straße": ["Große Allee 5", "Am Bült 1", "Höhenweg 3"],
            "Umsatz": [either(1234.5, "1.234,50 €"), either(999.0, "999,00 €"), either(12000.1, "12.000,10 €")],
            "Quote": [
                either(12.5, 0.125, "12,5 %"),
                either(7.25, 0.0725, "7,25 %"),
                either(100.0, 1.0, "100 %"),
            ],
            "Datum": days("31.01.2024", "01.02.2024", "28.02.2024"),
        },
    ),
    File(
        "unicode text.txt.csv",
        "Nom\tÂge\tVille\r\nZoé\t31\tOrléans\r\nÉmile\t\tNîmes\r\n".encode("utf-16"),
        {"Nom": ["Zoé", "Émile"], "Âge": [31.0, None], "Ville": ["Orléans", "Nîmes"]},
    ),
    File(
        "empty ends.csv",
        b"region,units,price,,\r\nnorth,4,2.5,,\r\nsouth,6,3.5,,\r\n,,,,\r\n,,,,\r\n",
        {"region": ["north", "south"], "units": [4.0, 6.0], "price": [2.5, 3.5]},
    ),
    File(
        "sep.csv",
        "\ufeffsep=|\r\na|b;c|d,e\r\n1|x;y|2,5\r\n2|z|3,5\r\n".encode(),
        {"a": [1.0, 2.0], "b;c": ["x;y", "z"], "d,e": [2.5, 3.5]},
    ),
    File(
        "formulas.csv",
        b"item,cost,share\r\nbolt,3,0.5\r\nnut,#DIV/0!,0.25\r\nscrew,7,#N/A\r\nwasher,#REF!,#VALUE!\r\npin,9,0.125\r\n",
        {
            "item": ["bolt", "nut", "screw", "washer", "pin"],
            "cost": [3.0, None, 7.0, None, 9.0],
            "share": [0.5, 0.25, None, None, 0.125],
        },
    ),
    File(
        "ledger.csv",
        b'account,balance\r\nRent,"(1,234.50)"\r\nSales,"10,000.00"\r\nFees,(12.00)\r\nTax,5.25\r\n',
        {"account": ["Rent", "Sales", "Fees", "Tax"], "balance": [-1234.5, 10000.0, -12.0, 5.25]},
    ),
    File(
        "wrapped header.csv",
        b'"Region","Sales\n(1,000 EUR)","Note"\r\n"East",10,"two\r\nlines"\r\n"West",20,"one"\r\n',
        {"Region": ["East", "West"], "Sales\n(1,000 EUR)": [10.0, 20.0], "Note": ["two\r\nlines", "one"]},
    ),
    File(
        "titled.csv",
        b"Monthly report;;;\r\nPrinted by: A. Smith;;;\r\n;;;\r\nMonth;Orders;Returns;Rate\r\n"
        b"Jan;100;7;0,07\r\nFeb;120;6;0,05\r\nMar;90;9;0,1\r\n",
        {
            "Month": ["Jan", "Feb", "Mar"],
            "Orders": [100.0, 120.0, 90.0],
            "Returns": [7.0, 6.0, 9.0],
            "Rate": [0.07, 0.05, 0.1],
        },
    ),
    # R
    File(
        "write.csv",
        b'"","dose","group","died"\n"1",0.5,"a",TRUE\n"2",NA,"b",FALSE\n"3",1.5,NA,NA\n"4",2e-04,"a",TRUE\n',
        {
            "": [1.0, 2.0, 3.0, 4.0],
            "dose": [0.5, None, 1.5, 0.0002],
            "group": ["a", "b", None, "a"],
            "died": [either(YES, "TRUE"), either(NO, "FALSE"), None, either(YES, "TRUE")],
        },
    ),
    File(
        "write.table.csv",
        b'"Sepal length" "Species name"\n"r1" 5.1 "Iris setosa"\n"r2" 6.4 "Iris virginica"\n"r3" NA "Iris setosa"\n',
        {
            "": ["r1", "r2", "r3"],
            "Sepal length": [5.1, 6.4, None],
            "Species name": ["Iris setosa", "Iris virginica", "Iris setosa"],
        },
    ),
    File(
        "write.csv2.csv.gz",
        gzip.compress(b'"x";"y"\n1,5;"p; q"\n-2,25;"r, s"\nNA;"t"\nInf;"u"\n'),
        {"x": [1.5, -2.25, None, float("inf")], "y": ["p; q", "r, s", "t", "u"]},
    ),
    # Databases
    File(
        "copy.csv",
        b'id,made,ok,note\n7,2024-03-31 01:59:00+00,t,\n8,2024-03-31 03:00:00+02,f,""\n9,,,"say ""hi"""\n',
        {
            "id": [7.0, 8.0, 9.0],
            "made": [
                At("2024-03-31 01:59:00+00", "2024-03-31T01:59:00"),
                At("2024-03-31 03:00:00+02", "2024-03-31T01:00:00"),
                None,
            ],
            "ok": [either(YES, "t"), either(NO, "f"), None],
            "note": [None, None, 'say "hi"'],
        },
    ),
    File(
        "outfile.tsv",
        b"1\tsmall\\ttab\t2.50\n2\t\\N\t3.75\n3\tplain\t\\N\n",
        {
            "column_1": [1.0, 2.0, 3.0],
            "column_2": [either("small\ttab", "small\\ttab"), None, "plain"],
            "column_3": [2.5, 3.75, None],
        },
    ),
    File(
        "psql.csv",
        b" id | name  | price \n----+-------+-------\n  1 | Ann   |  2.50\n  2 | Bob   |      \n  3 | Cy    |  1.25\n"
        b"(3 rows)\n\n",
        {"id": [1.0, 2.0, 3.0], "name": ["Ann", "Bob", "Cy"], "price": [2.5, None, 1.25]},
    ),
    File(
        "mysql.csv",
        b"+----+------+-------+\n| id | name | price |\n+----+------+-------+\n"
        b"|  1 | Ann  |  2.50 |\n|  2 | Bob  |  NULL |\n"
        b"+----+------+-------+\n2 rows in set (0.00 sec)\n",
        {"id": [1.0, 2.0], "name": ["Ann", "Bob"], "price": [2.5, None]},
    ),
    File(
        "bigquery.jsonl",
        b'{"id":"9007199254740993","v":1.5,"tags":["a","b"],"at":"2024-01-31T10:00:00Z"}\n'
        b'{"id":"9007199254740995","v":null,"tags":[],"at":"2024-02-01T10:00:00Z"}\n',
        {
            "id": ["9007199254740993", "9007199254740995"],
            "v": [1.5, None],
            "tags": [["a", "b"], []],
            "at": [
                At("2024-01-31T10:00:00Z", "2024-01-31T10:00:00"),
                At("2024-02-01T10:00:00Z", "2024-02-01T10:00:00"),
            ],
        },
    ),
    File("pretty.jsonl", b'[\n  {\n    "a": 1\n  },\n  {\n    "a": 2\n  }\n]\n', {"a": [1, 2]}),
    # Logs
    File(
        "iis.csv",
        b"#Software: Microsoft Internet Information Services 10.0\n#Version: 1.0\n"
        b"#Fields: date time cs-method sc-status\n"
        b"2024-01-31 10:00:01 GET 200\n2024-01-31 10:00:02 POST 500\n2024-01-31 10:00:09 GET 404\n",
        {
            "date": [At("2024-01-31", "2024-01-31")] * 3,
            "time": ["10:00:01", "10:00:02", "10:00:09"],
            "cs-method": ["GET", "POST", "GET"],
            "sc-status": [200.0, 500.0, 404.0],
        },
    ),
    File(
        "app.jsonl.bz2",
        bz2.compress(
            b'{"level":"info","ms":12}\n{"level":"warn","ms":7.5,"user":"ann"}\n\n{"level":"info","user":null,"ms":null}\n'
        ),
        {"level": ["info", "warn", "info"], "ms": [12.0, 7.5, None], "user": [None, "ann", None]},
    ),
    File(
        "logging.csv",
        b"time;level;took\n2024-01-31 10:00:00,123;INFO;0.5\n2024-01-31 10:00:01,456;WARNING;1.25\n",
        {
            "time": [
                At("2024-01-31 10:00:00,123", "2024-01-31T10:00:00.123"),
                At("2024-01-31 10:00:01,456", "2024-01-31T10:00:01.456"),
            ],
            "level": ["INFO", "WARNING"],
            "took": [0.5, 1.25],
        },
    ),
    File(
        "sensor.csv",
        b"# device: 12, room 3\n# unit: hPa\nstamp,pressure\n"
        b"1706695200000,1013.2\n1706695260000,1012.9\n1706695320000,-999.0\n",
        {"stamp": [1706695200000.0, 1706695260000.0, 1706695320000.0], "pressure": [1013.2, 1012.9, -999.0]},
    ),
    # SAP
    File(
        "mb52.csv",
        "Bestand 31.01.2024\n\n"
        "----------------------------------------\n"
        "|Material          |Werk|     Menge|ME|\n"
        "----------------------------------------\n"
        "|000000000010012345|0001|  1.234,50|ST|\n"
        "|000000000010012346|0001|     12,00-|ST|\n"
        "|000000000010012347|0002|      0,25|KG|\n"
        "----------------------------------------\n".encode("cp1252"),
        {
            "Material": ["000000000010012345", "000000000010012346", "000000000010012347"],
            "Werk": ["0001", "0001", "0002"],
            "Menge": [1234.5, -12.0, 0.25],
            "ME": ["ST", "ST", "KG"],
        },
    ),
    File(
        "fbl3n.tsv",
        b"BUKRS\tBUDAT\tDMBTR\tXBLNR\n1000\t20240131\t250.00-\t0000123\n1000\t20240201\t99.50\t0000124\n1000\t20240202\t1000.00\tA-7\n",
        {
            "BUKRS": [1000.0, 1000.0, 1000.0],
            "BUDAT": [
                either(20240131.0, At("20240131", "2024-01-31")),
                either(20240201.0, At("20240201", "2024-02-01")),
                either(20240202.0, At("20240202", "2024-02-02")),
            ],
            "DMBTR": [-250.0, 99.5, 1000.0],
            "XBLNR": ["0000123", "0000124", "A-7"],
        },
    ),
    # Germany, Switzerland
    File(
        "einwohner.csv",
        "Ort;Einwohner;Fläche\nHamburg;1.841.179;755,1\nMünchen;1.471.508;310,7\nKleinstadt;k.A.;12,0\nDorf;950;8,5\n".encode(),
        {
            "Ort": ["Hamburg", "München", "Kleinstadt", "Dorf"],
            "Einwohner": [1841179.0, 1471508.0, None, 950.0],
            "Fläche": [755.1, 310.7, 12.0, 8.5],
        },
    ),
    File(
        "franken.csv",
        "Konto;Saldo;Plan\nA;1'234.50;1’000.00\nB;-12.05;2’500.75\nC;1'000'000.00;3.00\n".encode(),
        {"Konto": ["A", "B", "C"], "Saldo": [1234.5, -12.05, 1000000.0], "Plan": [1000.0, 2500.75, 3.0]},
    ),
    # France
    File(
        "budget.csv",
        "Libellé;Montant;Payé;Échéance\nLoyer;1\u202f234,56;oui;31/01/2024\nÉlectricité;98,70;non;15/02/2024\n"
        "Impôts;12\u00a0000,00;n.d.;28/02/2024\n".encode("utf-8-sig"),
        {
            "Libellé": ["Loyer", "Électricité", "Impôts"],
            "Montant": [1234.56, 98.7, 12000.0],
            "Payé": [either("oui", YES), either("non", NO), either("n.d.", None)],
            "Échéance": days("31/01/2024", "15/02/2024", "28/02/2024"),
        },
    ),
    File(
        "météo.csv",
        'Jour,"Temp","Remarque"\n1,"12,5","«beau», sec"\n2,"-3,25","l\'après-midi: pluie"\n3,"0,0","?"\n'.encode(
            "latin-1"
        ),
        {
            "Jour": [1.0, 2.0, 3.0],
            "Temp": [12.5, -3.25, 0.0],
            "Remarque": ["«beau», sec", "l'après-midi: pluie", "?"],
        },
    ),
    # India
    File(
        "lakh.csv",
        b'city,"revenue",joined\nPune,"12,34,567.50",31-Jan-2024\nDelhi,"1,00,000.00",05-Feb-2024\n'
        b'Goa,"99,999.25",29-Feb-2024\n',
        {
            "city": ["Pune", "Delhi", "Goa"],
            "revenue": [1234567.5, 100000.0, 99999.25],
            "joined": [
                At("31-Jan-2024", "2024-01-31"),
                At("05-Feb-2024", "2024-02-05"),
                At("29-Feb-2024", "2024-02-29"),
            ],
        },
    ),
    File(
        "हिन्दी.csv",
        "नाम,आयु,मूल्य\nराम,३१,₹1,200\nसीता,२९,₹950\n".replace("₹1,200", '"₹1,200"').encode(),
        {
            "नाम": ["राम", "सीता"],
            "आयु": [either("३१", 31.0), either("२९", 29.0)],
            "मूल्य": [either("₹1,200", 1200.0), either("₹950", 950.0)],
        },
    ),
    # Japan
    File(
        "売上.csv",
        '日付,店舗,金額(円)\r\n2024/01/31,東京,"1,234"\r\n2024/02/01,大阪,"12,000"\r\n2024/02/02,名古屋,980\r\n'.encode(
            "cp932"
        ),
        {
            "日付": [
                At("2024/01/31", "2024-01-31"),
                At("2024/02/01", "2024-02-01"),
                At("2024/02/02", "2024-02-02"),
            ],
            "店舗": ["東京", "大阪", "名古屋"],
            "金額(円)": [1234.0, 12000.0, 980.0],
        },
    ),
    File(
        "全角.csv",
        "品名,個数,単価\nりんご、青,12,¥1,200\nみかん,7,¥80\n".replace("¥1,200", '"¥1,200"').encode(),
        {
            "品名": ["りんご、青", "みかん"],
            "個数": [either("12", 12.0), either("7", 7.0)],
            "単価": [either("¥1,200", 1200.0), either("¥80", 80.0)],
        },
    ),
    # Poland, Brazil
    File(
        "miasta.csv",
        "miasto;ludność;kwota\r\nŁódź;672 185;1 234,50\r\nGdańsk;470 907;12,00\r\nPoznań;534 813;99,99\r\n".encode(
            "cp1250"
        ),
        {
            "miasto": ["Łódź", "Gdańsk", "Poznań"],
            "ludność": [672185.0, 470907.0, 534813.0],
            "kwota": [1234.5, 12.0, 99.99],
        },
    ),
    File(
        "vendas.csv",
        "produto;preço;qtd\nPão;R$ 1.234,56;1.000\nCafé;R$ 7,50;2.500\nMaçã;R$ 0,99;750\n".encode(),
        {
            "produto": ["Pão", "Café", "Maçã"],
            "preço": [either("R$ 1.234,56", 1234.56), either("R$ 7,50", 7.5), either("R$ 0,99", 0.99)],
            "qtd": [1000.0, 2500.0, 750.0],
        },
    ),
    # What cells hold
    File(
        "paths.csv",
        b'path,size\n"C:\\temp\\",12\n"C:\\new folder\\a.txt",7\n"\\\\server\\share\\",3\n',
        {"path": ["C:\\temp\\", "C:\\new folder\\a.txt", "\\\\server\\share\\"], "size": [12.0, 7.0, 3.0]},
    ),
    File(
        "payload.csv",
        b'id,payload\n1,"{""a"": [1, 2], ""b"": ""x, y""}"\n2,"{}"\n3,\n',
        {"id": [1.0, 2.0, 3.0], "payload": ['{"a": [1, 2], "b": "x, y"}', "{}", None]},
    ),
    File(
        "inches.csv",
        b'part,width,stock\n5" pipe,5,10\n3" pipe,3,20\n1/2" bolt,0.5,70\n',
        {"part": ['5" pipe', '3" pipe', '1/2" bolt'], "width": [5.0, 3.0, 0.5], "stock": [10.0, 20.0, 70.0]},
    ),
    File(
        "codes.csv",
        b"batch,hex,zip,card\n1E5,0A,01234,4111111111111111112\n2A4,1B,99999,4111111111111111113\n3E7,2C,00501,4111111111111111114\n",
        {
            "batch": ["1E5", "2A4", "3E7"],
            "hex": ["0A", "1B", "2C"],
            "zip": ["01234", "99999", "00501"],
            "card": [either(card, str(card)) for card in range(4111111111111111112, 4111111111111111115)],
        },
    ),
    File(
        "mac.csv",
        b"name,votes\rAnn,3\rBob,4\rCy,5\r",
        {"name": ["Ann", "Bob", "Cy"], "votes": [3.0, 4.0, 5.0]},
    ),
    File(
        "dos.csv",
        b"name,votes\r\nAnn,3\r\nBob,4\r\n\x1a",
        {"name": ["Ann", "Bob"], "votes": [3.0, 4.0]},
    ),
    File(
        "ends in separators.csv",
        b"t,x,y\n0.0,1.5,2.5,\n0.1,1.6,2.6,\n0.2,1.7,2.7,\n",
        {"t": [0.0, 0.1, 0.2], "x": [1.5, 1.6, 1.7], "y": [2.5, 2.6, 2.7]},
    ),
)
